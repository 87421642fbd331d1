"""Threads that take jobs from a queue and outlive whatever a job does."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger("latchkey.web")


class Threads:
    """So many threads, which do one job after the other."""

    def __init__(self, name: str, count: int) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, job: Callable[[], None]) -> None:
        """Do this as soon as a thread is free."""
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - a panic of the server's is no Exception, and a thread must outlive it
                log.error("a request ended without an answer: %s", type(error).__qualname__)  # noqa: TRY400 - a traceback may hold input
            # Nothing of one request waits here for the next.
            del job

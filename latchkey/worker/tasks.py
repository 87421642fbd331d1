"""Work that a server process does beside its requests, in a thread of its own."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("latchkey.background")


class Loop:
    """Calls `work` whenever it is woken and at least every `pause` seconds, until it is stopped."""

    def __init__(self, name: str, work: Callable[[], object], pause: float) -> None:
        self._work, self._pause = work, pause
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread: there is something to do."""
        self._wake.set()

    def stop(self, seconds: float = 5) -> None:
        """Finish what is under way, work once more, and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            stopping = self._stopping.is_set()
            try:
                self._work()
            except Exception:
                # The thread must outlive a database or a mail server that is away for a while.
                log.exception("background work failed: %s", self._thread.name)
            if stopping:
                return
            self._wake.wait(self._pause)
            self._wake.clear()

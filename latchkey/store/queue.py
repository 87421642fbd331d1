"""A FIFO lock and a connection pool. Both report how long threads waited for them."""

import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from latchkey.turns import waiting

# Called with the time that a thread waited for the lock or a connection, also when it gave up.
watchers: list[Callable[[float], object]] = []
pool_watchers: list[Callable[[float], object]] = []


class Queue:
    """Serves waiting threads in order; `threading.Lock` lets late-comers overtake."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def acquire(self, seconds: float) -> bool:
        """Whether it was acquired within this time."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            acquired = threading.Event()
            self._waiting.append(acquired)
        begun = time.perf_counter()
        with waiting():
            came = acquired.wait(seconds)
        if came:
            for tell in watchers:
                tell(time.perf_counter() - begun)
            return True
        with self._guard:
            if acquired.is_set():
                return True
            self._waiting.remove(acquired)
            return False

    def release(self) -> None:
        """Pass it to the thread that has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False


class Pool(QueuePool):
    """SQLAlchemy's own pool, which reports waits when no connection is free and no more may be opened."""

    def _do_get(self) -> ConnectionPoolEntry:
        if self.checkedin() or self.overflow() < self._max_overflow:
            return super()._do_get()
        begun = time.perf_counter()
        try:
            with waiting():
                return super()._do_get()
        finally:
            for tell in pool_watchers:
                tell(time.perf_counter() - begun)

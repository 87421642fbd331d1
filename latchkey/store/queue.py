"""A FIFO lock."""

import threading
import time
from collections import deque
from collections.abc import Callable

# Told how long a thread had to wait.
watchers: list[Callable[[float], object]] = []


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
        if acquired.wait(seconds):
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

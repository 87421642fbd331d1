"""Those who ask what ended and are answered when something did: they wait in a list, and one thread looks for all."""

import logging
import math
import threading
import time
from collections.abc import Callable

from latchkey.endings.feed import Feed

log = logging.getLogger("latchkey.background")

# How often the thread looks for new endings while any request waits.
LOOK_SECONDS = 0.2
# The most requests that wait in one process; further ones are answered at once.
MOST = 10_000

Release = Callable[[], object]


class Waiting:
    """The requests of one process that wait, and the thread that looks for them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._somebody = threading.Event()
        self._waiting: list[tuple[float, int, Release]] = []
        self._started = self._stopped = False

    def wait(self, seq: int, seconds: float, release: Release) -> None:
        """Call `release` when something ended after a number, or after so many seconds."""
        with self._lock:
            if not self._stopped and len(self._waiting) < MOST:
                self._waiting.append((time.monotonic() + seconds, seq, release))
                if not self._started:
                    self._started = True
                    threading.Thread(target=self._look, name="endings", daemon=True).start()
                self._somebody.set()
                return
        release()

    def stop(self) -> None:
        """Answer all of them now, and whoever asks later at once: the server is about to stop."""
        self._stopped = True
        self._release()

    def _look(self) -> None:
        while True:
            self._somebody.wait()
            time.sleep(LOOK_SECONDS)
            try:
                last = self._feed.read()
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for what cannot be read
                log.error("what ended cannot be read: %s", type(error).__qualname__)  # noqa: TRY400 - a line is enough
                self._release()
                continue
            self._release(last, time.monotonic())

    def _release(self, last: int = 0, now: float = math.inf) -> None:
        """Answer those whose time is over, or who know less than the last end; everybody, if it is not said."""
        with self._lock:
            found = [release for until, seq, release in self._waiting if until <= now or seq != last]
            self._waiting = [each for each in self._waiting if each[0] > now and each[1] == last]
            if not self._waiting:
                self._somebody.clear()
        for release in found:
            release()


feed = Feed()
waiting = Waiting(feed)

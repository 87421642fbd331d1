"""What ended, answered from memory: each process reads what is new a few times a second, however many ask."""

import threading
import time
from bisect import bisect_right
from typing import NamedTuple

from sqlalchemy import bindparam, select

from latchkey.endings.record import Ending
from latchkey.store.prepared import PreparedSelect

# How old the state in memory may be for an answer.
FRESH_SECONDS = 0.1
# The most endings in one answer; a guard that is further behind asks again at once.
MOST = 1000
# The most endings in memory. A guard that is further behind starts over, which costs it one question a token.
MOST_KEPT = 10_000


class Told(NamedTuple):
    """One ending, as guards read it."""

    seq: int
    kind: str
    id: str


class Part(NamedTuple):
    """What ended after a number: up to which number this goes, and when it was so by the process's own clock.

    `more`: some of what ended until then is left to ask for. `reset`: nobody knows any more what ended since then, and
    all that is remembered has to be forgotten.
    """

    next: int
    reset: bool
    endings: list[Told]
    at: float
    more: bool = False


_columns = select(Ending.seq, Ending.kind, Ending.target_id.label("id"))
_newest = PreparedSelect("Told", _columns.order_by(Ending.seq.desc()).limit(MOST_KEPT), row=Told)
_later = PreparedSelect(
    "Told", _columns.where(Ending.seq >= bindparam("last")).order_by(Ending.seq).limit(MOST_KEPT), row=Told
)


class Feed:
    """The endings that one process has in memory: the newest of them, without a gap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[Told] = []
        self._at = float("-inf")

    def after(self, seq: int) -> Part:
        """What ended after a number."""
        with self._lock:
            # Another process may have told of what this one has not read.
            if time.monotonic() - self._at > FRESH_SECONDS or seq > self._last:
                self._read()
            first, last = (self._kept[0].seq, self._kept[-1].seq) if self._kept else (0, 0)
            if not first <= seq <= last:
                return Part(last, reset=True, endings=[], at=self._at)
            start = bisect_right(self._kept, seq, key=lambda told: told.seq)
            found = self._kept[start : start + MOST]
            upto = found[-1].seq if found else last
            return Part(upto, reset=False, endings=found, at=self._at, more=upto < last)

    def read(self) -> int:
        """Read new endings. Returns the number up to which they have been read."""
        with self._lock:
            self._read()
            return self._last

    @property
    def _last(self) -> int:
        return self._kept[-1].seq if self._kept else 0

    def _read(self) -> None:
        began, last = time.monotonic(), self._last
        while True:
            found = _later.all(last=last) if last else []
            if not found or found[0].seq != last:
                # New here, long not asked, or the database was put back: what comes next is not known to be all.
                self._kept = _newest.all()[::-1]
                break
            self._kept += found[1:]
            last = self._last
            if len(found) < MOST_KEPT:
                break
        del self._kept[:-MOST_KEPT]
        self._at = began

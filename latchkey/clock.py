"""The one source of time, and moments as the database keeps them.

Reading and writing a moment costs as much as finding its row. So on the bearer path it may stay as the driver gave it,
text on SQLite: most are never looked at, and what a program is told as text need not become a moment in between.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

Kept: TypeAlias = str | datetime

_FIRST = datetime.min.replace(tzinfo=UTC)


def now() -> datetime:
    """The present moment, in UTC. Called through the module, so that one patch moves all time."""
    return datetime.now(UTC)


def rfc3339(moment: datetime, precision: str = "seconds") -> str:
    """`2026-11-23T14:41:00Z`: a moment in UTC for programs, as precise as `datetime.isoformat` is asked to be."""
    return moment.isoformat(timespec=precision)[:-6] + "Z"


def read(kept: Kept) -> datetime:
    """The moment in UTC that was kept so."""
    return datetime.fromisoformat(kept + "+00:00") if isinstance(kept, str) else kept.astimezone(UTC)


def told(kept: Kept) -> str:
    """It for programs, as precise as it is kept."""
    if isinstance(kept, str):
        return kept.removesuffix(".000000").replace(" ", "T") + "Z"
    return rfc3339(read(kept), "auto")


def text(moment: datetime) -> str:
    """How SQLite keeps a moment, of whatever second."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    since = utc - _FIRST
    return f"{_second(since.days, since.seconds)}.{since.microseconds:06d}"


# What is written together is mostly of a few seconds.
@lru_cache(maxsize=64)
def _second(days: int, seconds: int) -> str:
    return (_FIRST + timedelta(days, seconds)).isoformat(" ")[: len("2026-11-23 14:41:07")]


class Writer:
    """Does the same: moments of one parameter are mostly of one second, whose text is kept.

    Of one second after the other, it is a little quicker than `text`; of seconds by turns, it takes four times as long.
    """

    def __init__(self) -> None:
        self._second = (_FIRST, "")

    def text(self, moment: datetime) -> str:
        """How it is kept."""
        # Ours are in UTC, and asking them to be costs as much as writing them.
        utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        second, text = self._second
        since = utc - second
        if since.seconds or since.days:
            second = utc.replace(microsecond=0)
            text = second.isoformat(" ")[: len("2026-11-23 14:41:07")]
            # One assignment, so that no other thread sees half of it.
            self._second = second, text
        return f"{text}.{utc.microsecond:06d}"

"""What people choose when an app asks them: of what it can do without, how much it gets, and for how long."""

from datetime import datetime, timedelta
from typing import NamedTuple

from latchkey import clock

# By what the form sends; the first is preset.
LASTS: dict[str, tuple[str, timedelta | None]] = {
    "": ("Until I take it back", None),
    "1h": ("1 hour", timedelta(hours=1)),
    "1d": ("1 day", timedelta(days=1)),
    "30d": ("30 days", timedelta(days=30)),
}


class Choice(NamedTuple):
    """What an app gets, what was kept from it, and when that is over; None: when it is taken back."""

    scopes: frozenset[str]
    declined: frozenset[str] = frozenset()
    until: datetime | None = None


def until(lasts: str) -> datetime | None:
    """When access is over that lasts so long. What was not on the page is the shortest."""
    _, length = LASTS.get(lasts, LASTS["1h"])
    return None if length is None else clock.now() + length


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """The first of two ends."""
    return min(filter(None, (one, other)), default=None)

"""How long a developer token may work: one rule for the portal, the API and the command line."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from latchkey import clock, settings

# A token with an end works for ten years at most; where no longest life is configured, it may also have no end.
LONGEST_DAYS = 3660
PRESET_DAYS = 90


class LifetimeTooLong(Exception):
    """A longer life is asked for than this installation or the parent token allows; the message says how long."""


def longest() -> int:
    """The most days that a token with an end may work here."""
    return settings.current().token_max_days or LONGEST_DAYS


def endless() -> bool:
    """Whether a token may work until it is revoked."""
    return settings.current().token_max_days is None


def preset() -> int:
    """The number of days for whoever names none."""
    return min(PRESET_DAYS, longest())


def end(lifetime: timedelta | None, parents: Iterable[datetime | None] = ()) -> datetime | None:
    """When a token ends that is made now; `parents` are the ends of those above it. Raises `LifetimeTooLong`."""
    if lifetime is None and not endless():
        raise LifetimeTooLong(f"Tokens here live for {longest()} days at most.")
    if lifetime is not None and lifetime > timedelta(days=longest()):
        raise LifetimeTooLong(f"Tokens here live for {longest()} days at most.")
    if lifetime is not None and lifetime <= timedelta(0):
        raise LifetimeTooLong("Choose a date after today.")
    expires_at = None if lifetime is None else clock.now() + lifetime
    if any(last is not None and (expires_at is None or expires_at > last) for last in parents):
        raise LifetimeTooLong("A token lives no longer than the one that made it.")
    return expires_at

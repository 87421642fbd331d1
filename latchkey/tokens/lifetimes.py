"""How long a developer token may work: one rule for the portal, the API and the command line."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from latchkey import clock, origin, scopes, settings

# A token with an end works for ten years at most; where no longest life is configured, it may also have no end.
LONGEST_DAYS = 3660


class LifetimeTooLong(Exception):
    """A longer life is asked for than this installation or the parent token allows; the message says how long."""


def longest() -> int:
    """The most days that a token with an end may work here."""
    return settings.current().token_max_days or LONGEST_DAYS


def endless() -> bool:
    """Whether a token may work until it is revoked."""
    return settings.current().token_max_days is None


def bound() -> int | None:
    """The most days that any token may work; None: some have no end."""
    return None if endless() else longest()


def preset() -> int:
    """The number of days for whoever names none."""
    return min(settings.current().token_default_days, longest())


def seconds(lifetime: timedelta | None) -> int | None:
    """A length as it is kept."""
    return None if lifetime is None else int(lifetime.total_seconds())


def allowed(length: timedelta | None) -> timedelta | None:
    """A length that was chosen before, cut to what this installation allows now."""
    if length is None:
        return None if endless() else timedelta(days=longest())
    return min(length, timedelta(days=longest()))


def is_later(end: datetime | None, other: datetime | None) -> bool:
    """Whether one end comes after another; none never comes."""
    return other is not None and (end is None or end > other)


def end(lifetime: timedelta | None, parents: Iterable[datetime | None] = (), *, cut: bool = False) -> datetime | None:
    """When a token ends that is made now; `parents` are the ends of those above it, before which it is `cut` if asked.

    Raises `LifetimeTooLong`.
    """
    if (lifetime is None and not endless()) or (lifetime is not None and lifetime > timedelta(days=longest())):
        raise LifetimeTooLong(f"Tokens here live for {longest()} days at most.")
    if lifetime is not None and lifetime <= timedelta(0):
        raise LifetimeTooLong("Choose a date after today.")
    expires_at = None if lifetime is None else clock.now() + lifetime
    last = min((parent for parent in parents if parent is not None), default=None)
    if last is None or (expires_at is not None and expires_at <= last):
        return expires_at
    if not cut:
        raise LifetimeTooLong("A token lives no longer than the one that made it.")
    return last


def waiting(asked: Iterable[str]) -> datetime | None:
    """Since when a token that asks for these scopes waits for an administrator; not if an operator makes it."""
    if origin.current.get().actor.doer in origin.OPERATORS or not scopes.waiting(asked):
        return None
    return clock.now()

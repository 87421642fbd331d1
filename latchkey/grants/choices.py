"""What people are shown when an app asks them, and what they choose: how much it gets, and for how long."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from latchkey import clock, resources
from latchkey.naming import listed
from latchkey.scopes import Group, Scope

# With so many scopes the page is laid out for many.
MANY = 16
# The choices by the values of the form; the first is preset.
LASTS: dict[str, tuple[str, timedelta | None]] = {
    "": ("Until I take it back", None),
    "1h": ("1 hour", timedelta(hours=1)),
    "1d": ("1 day", timedelta(days=1)),
    "30d": ("30 days", timedelta(days=30)),
}


class Choice(NamedTuple):
    """What an app gets, what was kept from it, and when that is over; None: when it is taken back.

    Whether anybody was `asked`: of a trusted app nobody is.
    """

    scopes: frozenset[str]
    declined: frozenset[str] = frozenset()
    until: datetime | None = None
    asked: bool = True


def until(lasts: str) -> datetime | None:
    """When access is over that lasts so long. What was not on the page is the shortest."""
    _, length = LASTS.get(lasts, LASTS["1h"])
    return None if length is None else clock.now() + length


def sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """The first of two ends."""
    return min(filter(None, (one, other)), default=None)


class Part(NamedTuple):
    """Scopes of one group, and on which API they are; where there is only the one here, that goes without saying."""

    api: str
    group: Group
    scopes: list[Scope]


def boxes(names: Collection[str]) -> dict[str, list[Part]]:
    """What the consent screen shows: scopes that only look (`read`) and those that change things (`write`).

    Where there are many, the sensitive ones come first and apart.
    """
    many = len(names) >= MANY
    order = ("sensitive", "write", "read") if many else ("read", "write")
    found: dict[str, list[Part]] = {kind: [] for kind in order}
    for resource, groups in listed.by_resource(names):
        for group, members in groups.items():
            for kind in order:
                mine = [scope for scope in members if _kind(scope, many=many) == kind]
                if mine:
                    found[kind].append(Part(resource.title if resources.operators() else "", group, mine))
    return {kind: parts for kind, parts in found.items() if parts}


def _kind(scope: Scope, *, many: bool) -> str:
    return "sensitive" if many and scope.sensitive else scope.access

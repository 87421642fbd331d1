"""The guards of services that remember answers: which follow what ends, and how long the last end took to them."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from latchkey.clients import Client
from latchkey.endings import guards
from latchkey.endings.guards import Following
from latchkey.store.session import db


class Fleet(NamedTuple):
    """The guards that follow; `ended_at` is when something ended last, `slowest` how long an end took to one."""

    followers: list[Following]
    apps: dict[str, str]
    ended_at: datetime | None
    slowest: timedelta | None

    @property
    def behind(self) -> list[Following]:
        """Those that have not heard of all that ended."""
        return [each for each in self.followers if each.behind]


def look() -> Fleet:
    """How they stand now."""
    found = guards.following()
    ids = {each.guard.client_id for each in found}
    named = db.execute(select(Client.id, Client.name).where(Client.id.in_(ids)))
    names = {row.id: row.name for row in named}
    slowest = max((each.took for each in found if each.took is not None), default=None)
    return Fleet(found, names, guards.last(), slowest)

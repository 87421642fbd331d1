"""Attempts per key and window, counted in the database so that they hold across workers and hosts."""

from datetime import datetime
from functools import cache
from math import ceil
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, String, bindparam, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from latchkey import clock, credentials
from latchkey.store.session import Base, UtcDateTime, engines
from latchkey.store.sweeping import sweep
from latchkey.values import Limit


class TooMany(Exception):
    """Too many attempts; `.wait` is the seconds until the next is allowed, `.way_out` what helps a person meanwhile."""

    def __init__(self, wait: int, way_out: str = "") -> None:
        super().__init__("too many attempts")
        self.wait, self.way_out = wait, way_out


class Counter(NamedTuple):
    """What attempts are counted by, and how many are allowed."""

    key: str
    limits: tuple[Limit, ...]


class Attempt(Base):
    """How many attempts one key made in its running window."""

    __tablename__ = "attempt"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    started_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def hit(*counters: Counter) -> int:
    """Count one attempt, at once and for good. Seconds until the next attempt is allowed; 0 if this one is.

    One that any counter refuses is counted by none: whoever goes on trying extends nobody's wait.
    Writes in a transaction of its own, so it comes before whatever else its request writes.
    """
    now = clock.now()
    with engines().write.connect() as connection:
        full = [name for name, limit in _limits(counters) if not _count(connection, name, limit, now)]
        if not full:
            connection.commit()
            return 0
        ends = connection.scalars(select(Attempt.expires_at).where(Attempt.key.in_(full)))
        return max(1, *(ceil((end - now).total_seconds()) for end in ends))


def admit(*counters: Counter) -> None:
    """Count one attempt. Raises `TooMany` when it has to wait."""
    if wait := hit(*counters):
        raise TooMany(wait)


def _limits(counters: tuple[Counter, ...]) -> list[tuple[str, Limit]]:
    """Each window by its name, in one order everywhere: two attempts never hold what the other waits for."""
    return sorted(
        (f"{credentials.digest(counter.key).hex()}:{int(limit.window.total_seconds())}", limit)
        for counter in counters
        for limit in counter.limits
    )


def _count(connection: Connection, name: str, limit: Limit, now: datetime) -> bool:
    given = {"named": name, "now": now, "over": now + limit.window, "most": limit.most}
    return connection.execute(_counting(connection.dialect.name), given).one_or_none() is not None


@cache
def _counting(dialect: str) -> ReturningInsert[tuple[int]]:
    """Made once: building it took longer than running it."""
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(Attempt)
    now = bindparam("now", type_=UtcDateTime)
    running = Attempt.expires_at > now
    statement: ReturningInsert[tuple[int]] = (
        insert.values(key=bindparam("named"), started_at=now, count=1, expires_at=bindparam("over"))
        .on_conflict_do_update(
            index_elements=[Attempt.key],
            set_={
                "count": case((running, Attempt.count + 1), else_=1),
                "started_at": case((running, Attempt.started_at), else_=insert.excluded.started_at),
                "expires_at": case((running, Attempt.expires_at), else_=insert.excluded.expires_at),
            },
            where=or_(~running, Attempt.count < bindparam("most")),
        )
        .returning(Attempt.count)
    )
    return statement


def refund(*counters: Counter) -> None:
    """Take one attempt out of each count: it was no guess. Those of others stay counted."""
    with engines().write.begin() as connection:
        for name, _ in _limits(counters):
            counted = update(Attempt).where(Attempt.key == name, Attempt.count > 0)
            connection.execute(counted.values(count=Attempt.count - 1))


def reset(*counters: Counter) -> None:
    """Begin the counts anew: whoever it was knew what they said."""
    with engines().write.begin() as connection:
        for name, _ in _limits(counters):
            connection.execute(delete(Attempt).where(Attempt.key == name))


def purge() -> bool:
    """Remove some windows that have passed; whether there may be more."""
    return sweep(Attempt, Attempt.expires_at < clock.now())

"""Attempts per key and window, counted in the database so that they hold across workers and hosts."""

from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import BigInteger, Connection, String, case, delete, literal, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials
from latchkey.db import Base, UtcDateTime, db, engines
from latchkey.values import Limit


class TooMany(Exception):
    """Too many attempts; `.wait` is in how many seconds the next is heard."""

    def __init__(self, wait: int) -> None:
        super().__init__("too many attempts")
        self.wait = wait


class Attempt(Base):
    """How many attempts one key made in its running window."""

    __tablename__ = "attempt"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    started_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


# Guessing grows slower the longer it lasts: a handful at once, then a few an hour, then a few a day.
SIGN_IN = (Limit(10, timedelta(minutes=1)), Limit(25, timedelta(minutes=15)), Limit(60, timedelta(hours=12)))
PER_ADDRESS = (Limit(60, timedelta(minutes=1)), Limit(400, timedelta(hours=1)))
EVERYWHERE = (Limit(600, timedelta(minutes=1)),)
SIGN_UP = (Limit(120, timedelta(minutes=1)), Limit(1_000, timedelta(hours=1)))
LETTERS = (Limit(10, timedelta(minutes=15)), Limit(30, timedelta(hours=6)))


def hit(key: str, *limits: Limit) -> int:
    """Count one attempt, at once and for good. Seconds to wait before the next is heard; 0 when this one may go on.

    Writes in a transaction of its own, so it comes before whatever else its request writes.
    """
    now = clock.now()
    with engines().write.begin() as connection:
        return max(_count(connection, _name(key, limit), limit, now) for limit in limits)


def _name(key: str, limit: Limit) -> str:
    return f"{credentials.digest(key).hex()}:{int(limit.window.total_seconds())}"


def _count(connection: Connection, name: str, limit: Limit, now: datetime) -> int:
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(Attempt)
    running = Attempt.expires_at > literal(now, UtcDateTime)
    statement = (
        insert.values(key=name, started_at=now, count=1, expires_at=now + limit.window)
        .on_conflict_do_update(
            index_elements=[Attempt.key],
            set_={
                "count": case((running, Attempt.count + 1), else_=1),
                "started_at": case((running, Attempt.started_at), else_=insert.excluded.started_at),
                "expires_at": case((running, Attempt.expires_at), else_=insert.excluded.expires_at),
            },
        )
        .returning(Attempt.count, Attempt.expires_at)
    )
    count, expires_at = connection.execute(statement).one()
    return max(1, ceil((expires_at - now).total_seconds())) if count > limit.most else 0


def give_back(key: str, *limits: Limit) -> None:
    """Take one attempt out of the count: it was no guess. Those of others stay counted."""
    with engines().write.begin() as connection:
        for limit in limits:
            counted = update(Attempt).where(Attempt.key == _name(key, limit), Attempt.count > 0)
            connection.execute(counted.values(count=Attempt.count - 1))


def forgive(key: str, *limits: Limit) -> None:
    """Forget the attempts of a key that turned out to be in the right."""
    with engines().write.begin() as connection:
        for limit in limits:
            connection.execute(delete(Attempt).where(Attempt.key == _name(key, limit)))


def purge() -> None:
    """Remove windows that have passed."""
    db.execute(delete(Attempt).where(Attempt.expires_at < clock.now()))

"""Attempts per key and window, counted in the database so that they hold across workers and hosts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from math import ceil
from typing import NamedTuple, cast

from sqlalchemy import ARRAY, BigInteger, Connection, String, Table, any_, bindparam, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials
from latchkey.store.drivers.transactions import transaction
from latchkey.store.drivers.within import Within
from latchkey.store.prepared import PreparedWrite
from latchkey.store.session import Base, UtcDateTime, engines
from latchkey.store.sweeping import sweep
from latchkey.values import Limit


class TooMany(Exception):
    """Too many attempts; `.wait` is the seconds until the next is allowed, `.way_out` what helps a person meanwhile."""

    def __init__(self, wait: int, way_out: str = "") -> None:
        super().__init__("too many attempts")
        self.wait, self.way_out = wait, way_out


class Counter(NamedTuple):
    """A key that attempts are counted by, and how many are allowed."""

    key: str
    limits: tuple[Limit, ...]


class Attempt(Base):
    """How many attempts one key made in its running window."""

    __tablename__ = "attempt"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    started_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Crowd(NamedTuple):
    """A counter of everybody's attempts, and the counters that apply while it is exceeded."""

    everywhere: Counter
    under_attack: tuple[Counter, ...]


class _Full(Exception):
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names


def admit(*counters: Counter, crowd: Crowd | None = None) -> tuple[Counter, ...]:
    """Count one attempt, at once and for good; by what it was counted. Raises `TooMany` when it has to wait.

    One that any counter refuses is counted by none: whoever goes on trying extends nobody's wait.
    Writes in a transaction of its own, so it comes before whatever else its request writes.
    """
    now = clock.now()
    try:
        return _admitted(counters, crowd, now)
    except _Full as full:
        raise TooMany(_wait(full.names, now)) from None


def _admitted(counters: tuple[Counter, ...], crowd: Crowd | None, now: datetime) -> tuple[Counter, ...]:
    with transaction() as connection:
        everywhere = () if crowd is None else (crowd.everywhere,)
        count = partial(_counting(engines().write.dialect.name).run, connection)
        full = _counted(count, (*counters, *everywhere), now)
        if crowd is None or full != _names(everywhere):
            counters += everywhere
        else:
            counters += crowd.under_attack
            full = _counted(count, crowd.under_attack, now)
        if full:
            raise _Full(full)
    return counters


def left(counter: Counter) -> int:
    """How many more attempts are allowed now, by the fullest window."""
    now = clock.now()
    windows = {name: limit.most for name, limit in _limits((counter,))}
    counted = select(Attempt.key, Attempt.count).where(Attempt.key.in_(windows), Attempt.expires_at > now)
    with engines().read.connect() as connection:
        for name, count in connection.execute(counted):
            windows[name] -= count
    return min(windows.values())


def hit(*counters: Counter) -> int:
    """Count one attempt as `admit` does. Seconds until the next attempt is allowed; 0 if this one is."""
    try:
        admit(*counters)
    except TooMany as many:
        return many.wait
    return 0


def _wait(names: Sequence[str], now: datetime) -> int:
    windows = select(Attempt.key, Attempt.expires_at).where(Attempt.key.in_(names), Attempt.expires_at > now)
    with engines().read.connect() as connection:
        ends = {name: ceil((end - now).total_seconds()) for name, end in connection.execute(windows)}
    # A window that began in a shared transaction may not be committed yet.
    return max(ends.get(name) or int(name.rpartition(":")[2]) for name in names)


def _limits(counters: tuple[Counter, ...]) -> list[tuple[str, Limit]]:
    """Each window by its name, always in the same order, so that two attempts never deadlock."""
    return sorted(
        (f"{credentials.digest(counter.key).hex()}:{int(limit.window.total_seconds())}", limit)
        for counter in counters
        for limit in counter.limits
    )


def _names(counters: tuple[Counter, ...]) -> list[str]:
    return [name for name, _ in _limits(counters)]


def _counted(count: Callable[..., int], counters: tuple[Counter, ...], now: datetime) -> list[str]:
    """Count an attempt in each window. Returns the names of those that are full."""
    return [
        name
        for name, limit in _limits(counters)
        if not count({"named": name, "now": now, "over": now + limit.window, "most": limit.most})
    ]


@cache
def _counting(dialect: str) -> PreparedWrite:
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(Attempt)
    now, over = bindparam("now", type_=UtcDateTime), bindparam("over", type_=UtcDateTime)
    running = Attempt.expires_at > now
    return PreparedWrite(
        insert.values(key=bindparam("named"), started_at=now, count=1, expires_at=over).on_conflict_do_update(
            index_elements=[Attempt.key],
            set_={
                "count": case((running, Attempt.count + 1), else_=1),
                "started_at": case((running, Attempt.started_at), else_=insert.excluded.started_at),
                "expires_at": case((running, Attempt.expires_at), else_=insert.excluded.expires_at),
            },
            where=or_(~running, Attempt.count < bindparam("most")),
        )
    )


def refund(*counters: Counter) -> None:
    """Take one attempt out of each count, since it was no guess; other attempts stay counted."""
    with engines().write.begin() as connection:
        _settle(connection, (), counters)


def reset(*counters: Counter) -> None:
    """Reset the counts, since the attempt was right."""
    with engines().write.begin() as connection:
        _settle(connection, counters, ())


def settle(anew: tuple[Counter, ...], less: tuple[Counter, ...]) -> None:
    """Begin some counts anew, take one attempt out of others, in the caller's transaction and at its end.

    Others wait for these counts until it has committed.
    """
    if anew or less:
        _settle(_ANEW.connection(), anew, less)


def _settle(connection: Connection, anew: tuple[Counter, ...], less: tuple[Counter, ...]) -> None:
    if engines().embedded:
        for statement, counters in ((_ANEW, anew), (_LESS, less)):
            for name in _names(counters):
                statement.run(connection, named=name)
        return
    # In the order in which they are counted, so that no deadlock arises: the subquery locks what it finds.
    if less:
        _HOLD.run(connection, names=_names((*anew, *less)))
        _LESS_OF.run(connection, names=_names(less))
    if anew:
        _ANEW_OF.run(connection, names=_names(anew))


_ATTEMPTS = cast("Table", Attempt.__table__)
# SQLite has one writer at a time, so there a simple statement for each count is the cheapest.
_ANEW = Within(delete(_ATTEMPTS).where(_ATTEMPTS.c.key == bindparam("named")))
_COUNTED = _ATTEMPTS.c.count > 0
_LESS = Within(
    update(_ATTEMPTS).where(_ATTEMPTS.c.key == bindparam("named"), _COUNTED).values(count=_ATTEMPTS.c.count - 1)
)
_AMONG = _ATTEMPTS.c.key == any_(bindparam("names", type_=ARRAY(String)))
_ORDERED = select(_ATTEMPTS.c.key).where(_AMONG).order_by(_ATTEMPTS.c.key).with_for_update()
_FOUND = _ORDERED.cte("held")
_HOLD = Within(_ORDERED)
_ANEW_OF = Within(delete(_ATTEMPTS).where(_ATTEMPTS.c.key == _FOUND.c.key))
_LESS_OF = Within(update(_ATTEMPTS).where(_AMONG, _COUNTED).values(count=_ATTEMPTS.c.count - 1))


def purge() -> bool:
    """Remove some windows that have passed. Returns whether there may be more."""
    return sweep(Attempt, Attempt.expires_at < clock.now())

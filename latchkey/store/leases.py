"""Work that one process does at a time, wherever it runs: whoever has the lease, until it ends or is given up.

A process that is killed holds it no longer than for what is left of it. Two that have it after all, because one stood
still, do no harm: what is done under it is safe to be done twice.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock
from latchkey.store.session import Base, db, engines, insert_into
from latchkey.store.sweeping import sweep

# One number for whatever must not run twice at once, whoever has which lease.
MOVING = 4_205_116_373
# How long the row of an expired lease is kept.
LEFT = timedelta(days=1)


class Lease(Base):
    """Which process does some work, and until when no other process begins it."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    until: Mapped[datetime]


def take(name: str, holder: str, length: timedelta) -> bool:
    """Take a lease, in a transaction of its own. False while anybody has it, the same holder included."""
    return _write(name, holder, length, Lease.until <= clock.now())


def extend(name: str, holder: str, length: timedelta) -> bool:
    """Prolong a lease to this length from now. False if somebody else has taken it meanwhile."""
    return _write(name, holder, length, Lease.holder == holder)


def end(name: str, holder: str) -> None:
    """Give a lease back, so that others need not wait for its end."""
    with engines().write.begin() as connection:
        connection.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))


def purge() -> bool:
    """Remove some leases that killed processes left. Returns whether there may be more."""
    return sweep(Lease, Lease.until < clock.now() - LEFT)


def _write(name: str, holder: str, length: timedelta, free: ColumnElement[bool]) -> bool:
    with engines().write.begin() as connection:
        values = {"holder": holder, "until": clock.now() + length}
        statement = (
            insert_into(Lease)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=[Lease.name], set_=values, where=free)
        )
        return connection.execute(statement.returning(Lease.name)).one_or_none() is not None


def alone(number: int) -> None:
    """Begin the session's write transaction, alone under this number: what is read from here on cannot change."""
    # Without this, reads would use the autocommit engine until the first write.
    db().info["writing"] = True
    db.execute(text("SELECT 1") if engines().embedded else select(func.pg_advisory_xact_lock(number)))

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
# How long one stays that is over and that nobody took again.
LEFT = timedelta(days=1)


class Lease(Base):
    """Who does some work, and until when nobody else begins it."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    until: Mapped[datetime]


def take(name: str, holder: str, length: timedelta) -> bool:
    """Begin some work, in a transaction of its own; false while somebody has it, the same holder too."""
    return _write(name, holder, length, Lease.until <= clock.now())


def extend(name: str, holder: str, length: timedelta) -> bool:
    """Have what one holds for so long from now; false if it went to somebody else meanwhile."""
    return _write(name, holder, length, Lease.holder == holder)


def end(name: str, holder: str) -> None:
    """Let others begin at once."""
    with engines().write.begin() as connection:
        connection.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))


def purge() -> bool:
    """Remove some that were left by who was killed; whether there may be more."""
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
    """Begin to write in the session, once nobody else does under this number; what is read from here on stays so."""
    # Else reads go on in autocommit until something is written.
    db().info["writing"] = True
    db.execute(text("SELECT 1") if engines().embedded else select(func.pg_advisory_xact_lock(number)))

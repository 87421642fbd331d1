"""Work that one process does at a time, wherever it runs: whoever has the lease, until it ends or is given up.

A process that is killed holds it no longer than for what is left of it. Two that have it after all, because one stood
still, do no harm: what is done under it is safe to be done twice.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock
from latchkey.store.session import Base, engines


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


def _write(name: str, holder: str, length: timedelta, free: ColumnElement[bool]) -> bool:
    with engines().write.begin() as connection:
        insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(Lease)
        values = {"holder": holder, "until": clock.now() + length}
        statement = insert.values(name=name, **values).on_conflict_do_update(
            index_elements=[Lease.name], set_=values, where=free
        )
        return connection.execute(statement.returning(Lease.name)).one_or_none() is not None

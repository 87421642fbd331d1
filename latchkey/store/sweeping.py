"""Removing rows that are not needed any more, a few at a time, so that nobody waits long for the write lock."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, TextClause, delete, select, tuple_

from latchkey.store.session import Base, db

# So many take a few milliseconds, during which nobody else can write to SQLite.
AT_A_TIME = 100

Which = ColumnElement[bool] | TextClause


def some(record: type[Base], *which: Which, at_a_time: int = AT_A_TIME) -> list[Any]:
    """The keys of some rows that the conditions hold for, locked until the commit; rows that are locked are skipped."""
    key: Select[Any] = select(*record.__table__.primary_key).where(*which)
    # Read first, so that no write transaction is begun where there is nothing to remove.
    found = db.execute(key.limit(at_a_time)).all()
    if not found:
        return []
    held = key.where(_among(record, found)).with_for_update(skip_locked=True)
    return list(db.execute(held).all())


def _among(record: type[Base], keys: Iterable[Any]) -> ColumnElement[bool]:
    columns = tuple(record.__table__.primary_key)
    if len(columns) == 1:
        return columns[0].in_([key for (key,) in keys])
    return tuple_(*columns).in_([tuple(key) for key in keys])


def sweep(record: type[Base], *which: Which, at_a_time: int = AT_A_TIME) -> bool:
    """Remove some rows that the conditions hold for. Returns whether there may be more. The caller commits."""
    found = some(record, *which, at_a_time=at_a_time)
    if found:
        db.execute(delete(record).where(_among(record, found)).execution_options(synchronize_session=False))
    return len(found) == at_a_time

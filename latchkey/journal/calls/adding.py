"""Upserts of counters: rows are inserted or, where they are there already, added to; many rows in a statement."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import Any

from sqlalchemy import ARRAY, Connection, Dialect, bindparam, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from latchkey import clock
from latchkey.store.prepared import binder
from latchkey.store.session import UtcDateTime

# Rows in one statement on SQLite: each statement may hand the interpreter over, which costs more than a row.
TOGETHER = 100

Row = tuple[Any, ...]


class Adding:
    """Upserts into one table: the columns `summed` are added up, and `last_at` becomes the later of both."""

    def __init__(self, record: Any, *summed: str) -> None:
        self._table, self._summed = record.__table__, summed
        kinds = {column.name: bindparam(column.name, type_=ARRAY(column.type)) for column in self._table.c}
        rows = select(*map(func.unnest, kinds.values()))
        self._from_arrays = self._adding(postgresql.insert(self._table).from_select([*kinds], rows))
        self._texts = cache(self._text)

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Write rows, their values in the order of the columns; those of one transaction are sorted by their keys."""
        if not rows:
            return
        if connection.dialect.name != "sqlite":
            arrays = zip(self._table.c.keys(), map(list, zip(*rows, strict=True)), strict=True)
            connection.execute(self._from_arrays, dict(arrays))
            return
        bound = self._bound(rows, connection.dialect)
        for _ in range(len(rows) // TOGETHER):
            part = chain.from_iterable(islice(bound, TOGETHER))
            connection.exec_driver_sql(self._texts(TOGETHER), (*part,))
        if left := list(bound):
            connection.exec_driver_sql(self._texts(1), left)

    def _bound(self, rows: Sequence[Row], dialect: Dialect) -> Iterator[Row]:
        columns = []
        for column, values in zip(self._table.c, zip(*rows, strict=True), strict=True):
            # Not a `Writer`, which remembers the text of one second: sorted rows change the second all the time.
            bind = clock.text if isinstance(column.type, UtcDateTime) else binder(column.type, dialect)
            columns.append(values if bind is None else map(bind, values))
        return zip(*columns, strict=True)

    def _text(self, count: int) -> str:
        row = dict.fromkeys(self._table.c.keys())
        return str(self._adding(sqlite.insert(self._table).values([row] * count)).compile(dialect=sqlite.dialect()))

    def _adding(self, statement: Any) -> Any:
        table, new = self._table, statement.excluded
        changed = {column: table.c[column] + new[column] for column in self._summed}
        changed["last_at"] = case((new.last_at > table.c.last_at, new.last_at), else_=table.c.last_at)
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)

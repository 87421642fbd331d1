"""Exchanges: one row is used up and others are inserted for it, or nothing happens. Tokens are issued by them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Dialect, insert, literal_column, select, union_all
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.sql.dml import UpdateBase

from latchkey.store.drivers.transactions import shared, transaction
from latchkey.store.prepared import Prepared
from latchkey.store.session import Base, engines

Row = Mapping[str, Any]


class PreparedExchange:
    """Inserts rows if something was there to be used up, in a transaction of its own.

    `spend` is a DML statement that changes one row, or none where nothing is left; `rows` say what stands in each
    column. All share their parameters. Where the database is elsewhere it is one statement: one way there and back.
    """

    def __init__(self, spend: UpdateBase, into: type[Base], *rows: Row) -> None:
        self._spend, self._into, self._rows = spend, into, rows
        self._prepared: dict[str, tuple[Prepared, list[Prepared]]] = {}

    def run(self, facts: dict[str, Any]) -> bool:
        """Do it. Returns whether there was something to use up; of many callers at the same time one is told so."""
        pair = engines()
        dialect = pair.write.dialect
        first, others = self._prepared.get(dialect.name) or self._prepare(dialect)
        # The inserted rows are made of exactly these values, whatever other parameters the first statement has.
        values = first.defaults | facts
        first.convert(values)
        bound = first.ordered(values)
        if not pair.embedded:
            return pair.write_once(first.text, bound) > 0
        if not shared.open:
            with transaction() as connection:
                return self._write(connection, bound, first, others, values)
        with pair.write_lock() as connection:
            shared.check(connection)
            # Until it has gone well: what a fault leaves behind is undone with all that share it.
            shared.spoiled = True
            written = self._write(connection, bound, first, others, values)
            shared.spoiled = False
            return written

    @staticmethod
    def _write(
        connection: DBAPIConnection, bound: Any, first: Prepared, others: list[Prepared], values: dict[str, Any]
    ) -> bool:
        cursor = connection.cursor()
        cursor.execute(first.text, bound)
        if cursor.rowcount == 0:
            return False
        for other in others:
            cursor.execute(other.text, other.parameters(values))
        return True

    def _prepare(self, dialect: Dialect) -> tuple[Prepared, list[Prepared]]:
        made = self.apart() if dialect.name == "sqlite" else [self.as_one()]
        first, *others = [Prepared(statement.compile(dialect=dialect), dialect) for statement in made]
        # The statements share their parameters, so each value is converted for the driver once.
        done = {name for name, _ in first.binders}
        for other in others:
            other.binders = [(name, bind) for name, bind in other.binders if name not in done]
        self._prepared[dialect.name] = first, others
        return first, others

    def apart(self) -> list[UpdateBase]:
        """For SQLite, which journals a statement that inserts several rows: one that uses it up, one for each row."""
        return [self._spend, *(insert(self._into).values(row) for row in self._rows)]

    def as_one(self) -> UpdateBase:
        """For PostgreSQL: everything in one statement, which inserts all rows or none."""
        spent = self._spend.returning(literal_column("1")).cte("spent")
        rows = [select(*row.values()).select_from(spent) for row in self._rows]
        found = union_all(*rows) if len(rows) > 1 else rows[0]
        return insert(self._into).from_select(list(self._rows[0]), found, include_defaults=False).add_cte(spent)

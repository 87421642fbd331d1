"""Statements compiled once and given to the driver as they are: for the bearer path and its neighbours only."""

import logging
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import partial
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, Dialect, LargeBinary, Select, type_coerce
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import NullType, TypeEngine

from latchkey import clock
from latchkey.store.drivers import foresight
from latchkey.store.session import UtcDateTime, engines
from latchkey.turns import waiting

# After a fault of the replica it is not asked for so long.
AWAY_SECONDS = 5.0
log = logging.getLogger("latchkey.store")


class _Replica:
    """The state of the replica, as this process knows it."""

    away_until = float("-inf")


_primary_alone = ContextVar("primary_alone", default=False)


@contextmanager
def primary_alone() -> Iterator[None]:
    """Within it only the primary is asked: an answer that is remembered must not be older than a known revocation."""
    mark = _primary_alone.set(True)
    try:
        yield
    finally:
        _primary_alone.reset(mark)


Convert = Callable[[Any], Any] | None


def kept(column: Any) -> ColumnElement[Any]:
    """A column whose values are taken as the driver gives them, without conversion."""
    return type_coerce(column, NullType())


def _from_sqlite(text: str | None) -> datetime | None:
    return None if text is None else clock.read(text)


def binder(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    """The function that converts a value for the driver; None if it needs no conversion."""
    # Both drivers take and give bytes.
    if isinstance(kind, LargeBinary):
        return None
    # SQLAlchemy's own conversions of moments and days cost more than finding the row.
    if isinstance(kind, UtcDateTime) and dialect.name == "sqlite":
        return clock.Writer().text
    if isinstance(kind, Date) and dialect.name == "sqlite":
        return date.isoformat
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    # Booleans are only tested for truth, for which SQLite's 0 and 1 will do.
    if isinstance(kind, LargeBinary | Boolean):
        return None
    if isinstance(kind, UtcDateTime) and dialect.name == "sqlite":
        return _from_sqlite
    return kind.dialect_impl(dialect).result_processor(dialect, None)


class Prepared:
    """One statement in one dialect: its text, and how to bind its parameters."""

    def __init__(self, compiled: Any, dialect: Dialect) -> None:
        self.text = str(compiled)
        binders = {name: binder(bind.type, dialect) for bind, name in compiled.bind_names.items()}
        self.binders = [(name, bind) for name, bind in binders.items() if bind is not None]
        order: list[str] | None = getattr(compiled, "positiontup", None)
        self.in_order = itemgetter(*order) if order and len(order) > 1 else None
        self.only = order[0] if order and len(order) == 1 else None
        self.defaults = {name: value for name, value in compiled.params.items() if value is not None}

    def parameters(self, given: dict[str, Any]) -> Any:
        """The parameters for the driver. Converts the values in `given` in place."""
        values = self.defaults | given if self.defaults else given
        self.convert(values)
        return self.ordered(values)

    def convert(self, values: dict[str, Any]) -> None:
        """Convert these values in place to what the driver takes."""
        for name, bind in self.binders:
            values[name] = bind(values[name])

    def ordered(self, values: dict[str, Any]) -> Any:
        """The parameters for the driver, of values that are converted already."""
        if self.in_order is not None:
            return self.in_order(values)
        return values if self.only is None else (values[self.only],)


class Reading(Prepared):
    """A SELECT, and how to read its rows."""

    def __init__(self, statement: Select[*tuple[Any, ...]], row: Any, dialect: Dialect) -> None:
        super().__init__(statement.compile(dialect=dialect), dialect)
        # Like the `_make` of a named tuple, without its check of the length.
        self._made: Callable[[Any], Any] = partial(tuple.__new__, row)
        readers = [_reader(column.type, dialect) for column in statement.selected_columns]
        self._readers = [(index, reader) for index, reader in enumerate(readers) if reader is not None]
        self.read = self._converted if self._readers else self._made

    def _converted(self, record: Any) -> Any:
        values = list(record)
        for index, reader in self._readers:
            values[index] = reader(values[index])
        return self._made(values)


class PreparedSelect:
    """A SELECT of a few rows, which are named tuples with the selected columns' names.

    `row` is the class of the rows, a tuple of those columns in their order; by default one is made. One that may be
    asked of the `replica` is asked there first, if there is one, and of the primary for what is not there (yet).
    """

    def __init__(
        self,
        name: str,
        statement: Select[*tuple[Any, ...]],
        row: type[Any] | None = None,
        *,
        replica: bool = False,
    ) -> None:
        self._replica = replica
        columns = [str(column.key) for column in statement.selected_columns]
        self._row: Any = row or namedtuple(name, columns)  # noqa: PYI024 - made at run time
        self._statement = statement
        self._compiled: dict[str, Reading] = {}

    def one(self, **parameters: Any) -> Any:
        """The first row or None."""
        if self._replica and engines().replica is not None and (found := self._at_replica(parameters)):
            return found[0]
        compiled, records = self._run(parameters)
        return compiled.read(records[0]) if records else None

    def all(self, **parameters: Any) -> list[Any]:
        """Every row."""
        if self._replica and engines().replica is not None and (found := self._at_replica(parameters)):
            return found
        compiled, records = self._run(parameters)
        return [compiled.read(record) for record in records]

    def given(self, parameters: dict[str, Any]) -> tuple[str, Any]:
        """The text and parameters for the driver. Converts the values in `parameters` in place."""
        dialect = engines().read.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        return compiled.text, compiled.parameters(parameters)

    def _run(self, parameters: dict[str, Any]) -> tuple[Reading, list[Any]]:
        pair = engines()
        dialect = pair.read.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        ahead = foresight.current.get()
        if ahead is not None and (records := ahead.take(self, parameters)) is not None:
            return compiled, records
        bound = compiled.parameters(parameters)
        try:
            if ahead is None:
                return compiled, pair.fetch(compiled.text, bound)
            with waiting():
                return compiled, pair.fetch(compiled.text, bound)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(compiled.text, None, error, dialect.loaded_dbapi.Error) from error

    def _at_replica(self, parameters: dict[str, Any]) -> list[Any]:
        """The rows that the replica has; none while it is away."""
        if time.monotonic() < _Replica.away_until or _primary_alone.get():
            return []
        pair = engines()
        compiled = self._compiled.get(pair.read.dialect.name) or self._compile(pair.read.dialect)
        bound = compiled.parameters(dict(parameters))
        try:
            return [compiled.read(record) for record in pair.fetch_replica(compiled.text, bound)]
        except (pair.read.dialect.loaded_dbapi.Error, DBAPIError) as error:
            pair.drop_replica()
            _Replica.away_until = time.monotonic() + AWAY_SECONDS
            log.warning("the replica is not asked for %s s: %s", AWAY_SECONDS, type(error).__qualname__)
            return []

    def _compile(self, dialect: Dialect) -> Reading:
        compiled = self._compiled[dialect.name] = Reading(self._statement, self._row, dialect)
        return compiled


class PreparedWrite:
    """A statement that changes rows, or holds them, run in a `transaction`."""

    def __init__(self, statement: UpdateBase | Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._prepared: dict[str, Prepared] = {}

    def run(self, connection: DBAPIConnection, given: dict[str, Any]) -> int:
        """Run it; converts the values in `given` in place. Returns how many rows it changed or locked."""
        dialect = engines().write.dialect
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = self._prepared[dialect.name] = Prepared(self._statement.compile(dialect=dialect), dialect)
        cursor = connection.cursor()
        cursor.execute(prepared.text, prepared.parameters(given))
        return cursor.rowcount

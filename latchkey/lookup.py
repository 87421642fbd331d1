"""Statements compiled once and run on a held driver connection: for the bearer path and its neighbours only."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, Select
from sqlalchemy.exc import DBAPIError

from latchkey.db import engines

# Told the text of each statement that runs here; tests count with it.
watchers: list[Callable[[str], None]] = []


class _Compiled:
    """One statement in one dialect: its text, how to bind its parameters and how to read its rows."""

    def __init__(self, statement: Select[Any], name: str, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.binds = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in compiled.bind_names.items()
        }
        self.order: list[str] | None = getattr(compiled, "positiontup", None)
        self.defaults = dict(compiled.params)
        columns = list(statement.selected_columns)
        self.row: Any = namedtuple(name, [column.key for column in columns])  # noqa: PYI024 - made at run time
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self.readers = [(index, reader) for index, reader in enumerate(readers) if reader is not None]

    def parameters(self, given: dict[str, Any]) -> Any:
        values = self.defaults | given
        bound = {key: bind(values[key]) if bind else values[key] for key, bind in self.binds.items()}
        return bound if self.order is None else tuple(bound[key] for key in self.order)

    def read(self, record: Any) -> Any:
        values = list(record)
        for index, reader in self.readers:
            values[index] = reader(values[index])
        return self.row._make(values)


class Lookup:
    """A SELECT of a few rows, which are named tuples with the selected columns' names."""

    def __init__(self, name: str, statement: Select[Any]) -> None:
        self._name, self._statement = name, statement
        self._compiled: dict[str, _Compiled] = {}

    def one(self, **parameters: Any) -> Any:
        """The first row or None."""
        compiled, cursor = self._run(parameters)
        record = cursor.fetchone()
        return None if record is None else compiled.read(record)

    def all(self, **parameters: Any) -> list[Any]:
        """Every row."""
        compiled, cursor = self._run(parameters)
        return [compiled.read(record) for record in cursor.fetchall()]

    def _run(self, parameters: dict[str, Any]) -> tuple[_Compiled, Any]:
        pair = engines()
        dialect = pair.read.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        bound = compiled.parameters(parameters)
        for tell in watchers:
            tell(compiled.text)
        try:
            return compiled, pair.held().execute(compiled.text, bound)
        except dialect.loaded_dbapi.Error as error:
            if not dialect.is_disconnect(error, pair.held(), None):
                raise DBAPIError.instance(compiled.text, None, error, dialect.loaded_dbapi.Error) from error
            # The server closed the connection, as when it restarts: a read can safely be asked again.
            pair.drop_held()
            return compiled, pair.held().execute(compiled.text, bound)

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled[dialect.name] = _Compiled(self._statement, self._name, dialect)
        return compiled

"""Statements that are compiled once and run in the session's own transaction: for signing in, and for each event.

SQLAlchemy's unit of work sorts and compiles each time, which costs several times what the database does. The session is
flushed before, and faults, spans and broken connections are handled as SQLAlchemy always handles them.
"""

from functools import cache
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Boolean, Connection, Dialect, Select, Table, inspect
from sqlalchemy import insert as insert_into
from sqlalchemy.orm import Mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, set_committed_value
from sqlalchemy.orm.util import identity_key
from sqlalchemy.sql.dml import UpdateBase

from latchkey.store.prepared import Prepared, PreparedSelect, Reading
from latchkey.store.session import Base, db, reads_only

Record = TypeVar("Record", bound=Base)
Statement = UpdateBase | Select[*tuple[Any, ...]]


class _Written(Prepared):
    """A statement whose parameters may be NULL."""

    def convert(self, values: dict[str, Any]) -> None:
        for name, bind in self.binders:
            if values[name] is not None:
                values[name] = bind(values[name])


class Within:
    """One statement, compiled once for each dialect."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._compiled: dict[str, Prepared] = {}

    def connection(self) -> Connection:
        """The connection of the session, which moves to the write engine if the statement writes."""
        session = db()
        session.flush()
        return session.connection({"clause": self._statement})

    def run(self, connection: Connection | None = None, **given: Any) -> int:
        """Run it in the session's transaction or that of `connection`. Returns how many rows it changed."""
        return cast("int", self._result(connection or self.connection(), given).rowcount)

    def all(self, **given: Any) -> list[tuple[Any, ...]]:
        """The rows that it finds, in the session's transaction."""
        connection = self.connection()
        records = self._result(connection, given).cursor.fetchall()
        read = cast("Reading", self._compiled[connection.dialect.name]).read
        return [read(record) for record in records]

    def _result(self, connection: Connection, given: dict[str, Any]) -> Any:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        return connection.exec_driver_sql(compiled.text, compiled.parameters(given))

    def _compile(self, dialect: Dialect) -> Prepared:
        if isinstance(self._statement, Select):
            made: Prepared = Reading(self._statement, tuple, dialect)
        else:
            made = _Written(self._statement.compile(dialect=dialect), dialect)
        self._compiled[dialect.name] = made
        return made


class Locked(Generic[Record]):
    """Locks one record. If the session has it already and nothing changed, it is not loaded again."""

    def __init__(self, kind: type[Record], statement: Select[Record]) -> None:
        self._kind, self._statement = kind, statement
        attributes = inspect(kind).column_attrs
        self._names = [attribute.key for attribute in attributes]
        self._row = Within(statement.with_only_columns(*(attribute.columns[0] for attribute in attributes)))

    def one(self, key: str) -> Record | None:
        """The record with this id, locked and as it is stored now."""
        known = db.identity_map.get(identity_key(self._kind, key))
        if known is not None:
            now = [tuple(map(known.__dict__.get, self._names))]
            if self._row.all(key=key) == now:
                return known
        return db.scalar(self._statement, {"key": key}, execution_options={"populate_existing": True})


@cache
def _inserting(kind: type[Base]) -> tuple[Within, list[tuple[str, Any]]]:
    columns = [(attribute.key, attribute.columns[0]) for attribute in inspect(kind).column_attrs]
    return Within(insert_into(cast("Table", kind.__table__))), columns


def insert(record: Record) -> Record:
    """Insert a new record at once. From then on the session treats it like one that was loaded."""
    statement, columns = _inserting(type(record))
    given: dict[str, Any] = {}
    for name, column in columns:
        if name not in record.__dict__:
            default = column.default
            value = None if default is None else default.arg(None) if default.is_callable else default.arg
            set_committed_value(record, name, value)
        given[column.key] = record.__dict__[name]
    statement.run(**given)
    make_transient_to_detached(record)
    db.add(record)
    return record


class Found(Generic[Record]):
    """Finds records by a statement that is compiled once, each together with the record that it `belongs` to."""

    def __init__(self, kind: type[Record], statement: Select[Record], **belongs: type[Base]) -> None:
        self._belongs = next(iter(belongs), None)
        self._parts = [_Part(each) for each in (kind, *belongs.values())]
        columns = [column for part in self._parts for column in part.columns]
        only = statement.with_only_columns(*columns, maintain_column_froms=True)
        self._apart, self._within = PreparedSelect(kind.__name__, only, tuple), Within(only)

    def all(self, **given: Any) -> list[Record]:
        """The records that it finds, read in the session's transaction if that has begun to write."""
        rows = self._apart.all(**given) if reads_only() else self._within.all(**given)
        return [self._made(row) for row in rows]

    def _made(self, row: tuple[Any, ...]) -> Record:
        part, *others = self._parts
        record: Record = part.known(row[: len(part.names)])
        for other in others:
            if self._belongs not in record.__dict__:
                set_committed_value(record, str(self._belongs), other.known(row[len(part.names) :]))
        return record


class _Part:
    """The part of a row that makes up a record of one kind."""

    def __init__(self, kind: type[Any]) -> None:
        mapper: Mapper[Any] = inspect(kind)
        attributes = mapper.column_attrs
        # Not by the constructor, which would mark every value as changed.
        self._new = mapper.class_manager.new_instance
        self._kind, self.names = kind, [attribute.key for attribute in attributes]
        self.columns = [attribute.columns[0] for attribute in attributes]
        # SQLite gives 0 and 1 for booleans.
        self._flags = [
            name for name, column in zip(self.names, self.columns, strict=True) if isinstance(column.type, Boolean)
        ]

    def known(self, values: tuple[Any, ...]) -> Any:
        """The record: the one that the session has already, or a new one of these values."""
        facts = dict(zip(self.names, values, strict=True))
        record = db.identity_map.get(identity_key(self._kind, facts["id"]))
        if record is None:
            record = self._new()
            instance_dict(record).update(facts | {name: bool(facts[name]) for name in self._flags})
            make_transient_to_detached(record)
            db.add(record)
        return record

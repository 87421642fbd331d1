"""What stands in a backup, a JSON value a line, and alike whichever the database.

First what it is, with the files of the instance folder and the secret keys; then each table with its columns, and its
rows. Columns that refer to their own table are left out there and follow in a part of their own, so that each row can
be put in as it comes.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    TableClause,
    bindparam,
    column,
    insert,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

from latchkey.store.session import UtcDateTime

# Rows in one insert.
BATCH = 500
# Each kind of value: what columns it is of, and how it lies in any of the databases.
FAMILIES: dict[str, type[TypeEngine[Any]]] = {
    "moment": UtcDateTime,
    "date": Date,
    "boolean": Boolean,
    "bytes": LargeBinary,
    "json": JSON,
    "integer": Integer,
    "text": String,
}
TYPES: dict[str, TypeEngine[Any]] = {
    "moment": UtcDateTime(),
    "date": Date(),
    "boolean": Boolean(),
    "bytes": LargeBinary(),
    "json": JSON(none_as_null=True),
    "integer": BigInteger(),
    "text": String(),
}
WRITTEN: dict[str, Callable[[Any], Any]] = {
    "moment": datetime.isoformat,
    "date": date.isoformat,
    "bytes": lambda value: base64.b64encode(value).decode(),
}
READ: dict[str, Callable[[Any], Any]] = {
    "moment": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": base64.b64decode,
}


@dataclass(frozen=True)
class Part:
    """Some columns of a table, as name and kind. With `key`, which comes first, they belong to rows that are there."""

    table: str
    columns: list[tuple[str, str]]
    key: int = 0

    def source(self) -> TableClause:
        """The table, as far as this part goes."""
        return table(self.table, *(column(name, TYPES[kind]) for name, kind in self.columns))

    def selection(self) -> Select[*tuple[Any, ...]]:
        """What reads its rows."""
        chosen = list(self.source().c)
        told = [each.is_not(None) for each in chosen[self.key :]]
        return select(*chosen).where(or_(*told)) if self.key else select(*chosen)

    def statement(self) -> UpdateBase:
        """What puts a row in, its values named `v0`, `v1` and so on."""
        source = self.source()
        values = {each.name: bindparam(f"v{number}", type_=each.type) for number, each in enumerate(source.c)}
        if not self.key:
            return insert(source).values(values)
        found = [source.c[name] == values.pop(name) for name, _ in self.columns[: self.key]]
        return update(source).where(*found).values(values)

    def changed(self, how: dict[str, Callable[[Any], Any]]) -> Callable[[Sequence[Any]], list[Any]]:
        """What turns a row of values into what stands in the file, or back."""
        special = [(number, how[kind]) for number, (_, kind) in enumerate(self.columns) if kind in how]

        def change(row: Sequence[Any]) -> list[Any]:
            values = list(row)
            for number, turn in special:
                if values[number] is not None:
                    values[number] = turn(values[number])
            return values

        return change


def parts(metadata: MetaData) -> Iterator[Part]:
    """Every table, each after those that it refers to."""
    for each in metadata.sorted_tables:
        own = [one for one in each.columns if _refers_to(one, each)]
        yield Part(each.name, [_described(one) for one in each.columns if one not in own])
        if own:
            key = list(each.primary_key.columns)
            yield Part(each.name, [_described(one) for one in (*key, *own)], len(key))


def _refers_to(one: Column[Any], owner: Table) -> bool:
    return any(reference.column.table is owner for reference in one.foreign_keys)


def _described(one: Column[Any]) -> tuple[str, str]:
    return one.name, next(kind for kind, family in FAMILIES.items() if isinstance(one.type, family))


def written(value: object) -> bytes:
    """A value as a line of JSON."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def rows(connection: Connection, metadata: MetaData, counts: dict[str, int]) -> Iterator[bytes]:
    """The lines of all tables; how many rows each has is added to `counts` on the way."""
    for part in parts(metadata):
        yield written({"table": part.table, "columns": part.columns, "key": part.key})
        change, count = part.changed(WRITTEN), 0
        for row in connection.execute(part.selection()):
            yield written(change(row))
            count += 1
        if not part.key:
            counts[part.table] = count


def put_in(connection: Connection, lines: Iterable[bytes]) -> dict[str, int]:
    """Put the rows of such lines in; how many each table got."""
    counts: dict[str, int] = {}
    part, batch = Part("", []), []
    for line in lines:
        value = json.loads(line)
        if isinstance(value, list):
            batch.append(value)
        if isinstance(value, dict) or len(batch) == BATCH:
            _insert(connection, part, batch, counts)
            batch = []
        if isinstance(value, dict):
            part = Part(value["table"], [(name, kind) for name, kind in value["columns"]], value["key"])
    _insert(connection, part, batch, counts)
    return counts


def _insert(connection: Connection, part: Part, batch: list[list[Any]], counts: dict[str, int]) -> None:
    if not part.key and part.table:
        counts[part.table] = counts.get(part.table, 0) + len(batch)
    if batch:
        change = part.changed(READ)
        named = [{f"v{number}": value for number, value in enumerate(change(row))} for row in batch]
        connection.execute(part.statement(), named)

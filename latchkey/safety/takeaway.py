"""Everything that is kept about a person, to take away: read from every table that leads to them, in parts.

A table that is added later is in it by itself. What opens something, or is kept only to recognise it, is left out.
"""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Table, and_, or_, select, tuple_

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.journal.acts import Act
from latchkey.mail.outbox import Letter
from latchkey.store.session import Base, db

PART = 500
PEOPLE = "user"
# Digests, sealed texts and hashes say nothing to a person, and something to a thief of the file; nor does which machine
# carried a letter, and what the mail server answered to that.
SECRET = re.compile(r"digest|hash|sealed|^kept$|^form_id$|secret|proof|^mac$|^answer$|^claimed_by$|^last_error$")
# Acts of operators are told without who they were and from where they did it.
OF_ACTS = ("kind", "at", "target", "reason")


def of(user: User) -> Iterator[str]:
    """A JSON document, in pieces; each table by its name, with its rows in the order in which they were made."""
    yield f'{{"made_at": {json.dumps(_plain(clock.now()))}'
    for name, rows in _tables(user):
        yield f', "{name}": ['
        for number, row in enumerate(rows):
            yield (",\n" if number else "\n") + json.dumps(row, ensure_ascii=False)
        yield "]"
    yield "}\n"


def _tables(user: User) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    for table in Base.metadata.sorted_tables:
        mine = _mine(table, user)
        if mine is not None:
            yield table.name, _rows(table, mine)
    yield "letter", _rows(Letter.__table__, _letters(user))  # type: ignore[arg-type] # a Table
    acts = select(*(getattr(Act, name) for name in OF_ACTS)).where(Act.target_id == user.id).order_by(Act.id)
    yield "act", ({name: _plain(value) for name, value in row._mapping.items()} for row in db.execute(acts))  # noqa: SLF001 - SQLAlchemy's public name


def _letters(user: User) -> ColumnElement[bool]:
    """Those to the present address since it is theirs: before, it may have been somebody else's."""
    changes = activity.list_for(user, kinds=(EventKind.EMAIL_CHANGED,), limit=1)
    since = changes[0].at if changes else user.created_at
    return and_(Letter.recipient == user.email, Letter.created_at >= since)


def _mine(table: Table, user: User) -> ColumnElement[bool] | None:
    """Which rows of a table are a user's: their own, or those of no person that hang on something of theirs."""
    if table.name == PEOPLE:
        return table.c.id == user.id
    owners = _leading_to(table, PEOPLE)
    if owners:
        return or_(*(column == user.id for column in owners))
    above = []
    for key in table.foreign_keys:
        parent = key.column.table
        above += [
            key.parent.in_(select(key.column).where(owner == user.id).scalar_subquery())
            for owner in _leading_to(parent, PEOPLE)
        ]
    return or_(*above) if above else None


def _leading_to(table: Table, name: str) -> list[ColumnElement[Any]]:
    return [key.parent for key in sorted(table.foreign_keys, key=str) if key.column.table.name == name]


def _rows(table: Table, mine: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    keys = list(table.primary_key.columns)
    shown = [c for c in table.columns if not isinstance(c.type, LargeBinary) and not SECRET.search(c.name)]
    # What is no answer may still be where the next part begins.
    ordered = select(*shown, *(key.label(f"_{key.name}") for key in keys)).where(mine).order_by(*keys).limit(PART)
    statement = ordered
    while rows := db.execute(statement).all():
        yield from ({column.name: _plain(row[at]) for at, column in enumerate(shown)} for row in rows)
        statement = ordered.where(tuple_(*keys) > tuple(rows[-1][len(shown) :]))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}"
    return value.isoformat() if isinstance(value, date) else value

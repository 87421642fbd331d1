"""Reading the whole database as it was at one moment, while others go on writing."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, StaticPool, create_engine
from sqlalchemy.exc import OperationalError

from latchkey.store.session import engines

# Rows that are fetched at once: memory does not grow with the database.
FETCHED = 500
# Where SQLite keeps files without a name.
TEMPORARY = "SQLITE_TMPDIR"


@contextlib.contextmanager
def snapshot(scratch: Path) -> Iterator[Connection]:
    """A connection that sees one moment. `scratch` is a folder in which SQLite may keep its copy meanwhile."""
    reading = _copied(scratch) if engines().embedded else _repeatable()
    with reading as connection:
        yield connection.execution_options(yield_per=FETCHED)


@contextlib.contextmanager
def _repeatable() -> Iterator[Connection]:
    with engines().read.connect() as pooled:
        connection = pooled.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextlib.contextmanager
def _copied(scratch: Path) -> Iterator[Connection]:
    """A copy by SQLite's online backup, in one step, so that no writer makes it begin anew.

    A database without a name is a file that SQLite removes as soon as it is open: a kill leaves nothing of it.
    """
    with _spilling_into(scratch), contextlib.closing(sqlite3.connect("", isolation_level=None)) as copy:
        with engines().read.connect() as pooled:
            source: Any = pooled.connection.driver_connection
            try:
                source.backup(copy)
            except sqlite3.Error as error:
                # Most likely the disk is full.
                raise OperationalError("a copy in one step", None, error) from None
        engine = create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool, hide_parameters=True)
        with engine.connect() as connection:
            yield connection


@contextlib.contextmanager
def _spilling_into(scratch: Path) -> Iterator[None]:
    before = os.environ.get(TEMPORARY)
    os.environ[TEMPORARY] = before or str(scratch)
    try:
        yield
    finally:
        if before is None:
            del os.environ[TEMPORARY]

"""How SQLite is opened and set up, and which of its faults outlast their cause."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, ExceptionContext, FromClause, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

BUSY_SECONDS = 5
# Of each connection. What is not in it lies in the system's own cache, a microsecond away.
CACHE_KIB = 2_000
# After these a connection goes on failing when their cause is over, such as a file system that was read-only.
LASTING = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def broken(error: BaseException | None) -> bool:
    """Whether SQLite refused for a reason that outlasts it in the connection."""
    # The low byte is the kind, what is above says more.
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in LASTING


def make_private(file: str | None) -> None:
    """A new database is its owner's alone; SQLite gives what it puts beside the file the same mode."""
    if file and not file.startswith((":", "file:")):
        # Where it cannot be made, connecting says why.
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


class Hinted(SQLiteCompiler):
    """Writes a statement so that `with_hint` is in it: `INDEXED BY`, for which the dialect has no word of its own."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """What stands behind the table."""
        return text


def tune(engine: Engine, *, reading: bool) -> None:
    """Set up each new connection of an engine."""
    engine.dialect.statement_compiler = Hinted

    @event.listens_for(engine, "connect")
    def each(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            _patience(BUSY_SECONDS),
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"cache_size=-{CACHE_KIB}",
            "journal_size_limit=67108864",
            "wal_autocheckpoint=4000",
            f"query_only={'ON' if reading else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")


def _patience(seconds: float) -> str:
    return f"busy_timeout={round(seconds * 1000)}"


def busy(error: BaseException | None) -> bool:
    """Whether it waited in vain for another process that writes."""
    fault = getattr(error, "orig", error)
    return getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


@contextlib.contextmanager
def patience(connection: Any, seconds: float) -> Iterator[None]:
    """Let a connection wait for a lock no longer than that."""
    connection.execute(f"PRAGMA {_patience(seconds)}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA {_patience(BUSY_SECONDS)}")


def shrink(connection: Any) -> None:
    """Let a connection give back the pages that it keeps; it reads those that it needs again."""
    connection.execute("PRAGMA shrink_memory")


def is_shared(file: str) -> bool:
    """Whether somebody else has a database open: as long as they do, its journal cannot be taken away.

    Every connection of ours sets up its own again.
    """
    with contextlib.closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            return True
    return False


def drop_broken(engine: Engine) -> None:
    """Have an engine give up connections that would go on failing."""

    @event.listens_for(engine, "handle_error")
    def told(context: ExceptionContext) -> None:
        # Every pooled connection is then made anew before it is used.
        context.is_disconnect = context.is_disconnect or broken(context.original_exception)

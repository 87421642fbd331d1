"""Driver connections for reading, besides those of the engines: lent for a statement each."""

import contextlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from latchkey.store import postgres
from latchkey.store.drivers import direct, sqlite

# So many are kept when they are idle.
MOST_IDLE = 4


class Readers:
    """Driver connections for reading, each lent for one statement: there are as many as read at the same time.

    Who comes next gets the one that was used last, whose page cache is warm. Each is kept as its cursor: making one
    takes PostgreSQL's driver a third as long as a whole lookup.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._over = engine, False
        self._idle: list[Any] = []

    def fetch(self, text: str, bound: Any, *, again: bool) -> list[Any]:
        """The rows of a statement, asked `again` where it was the connection that failed."""
        try:
            cursor = self._idle.pop()
        except IndexError:
            cursor = direct.cursor(detached(self._engine))
        try:
            rows: list[Any] = cursor.execute(text, bound).fetchall()
        except Exception as error:
            lost = self._lost(error, cursor.connection)
            # What made it fail may be over, and what it left behind is not.
            close(self._engine, cursor.connection)
            if not again or not lost:
                raise
        else:
            self._idle.append(cursor)
            if self._over or len(self._idle) > MOST_IDLE:
                self._close_idle(0 if self._over else MOST_IDLE)
            return rows
        # The server closed its connections, as when it restarts, or changed a table under what they have prepared, or
        # its file was away: a read can be asked again.
        self.forget()
        return self.fetch(text, bound, again=False)

    def fetch_each(self, asked: Sequence[tuple[str, Any]]) -> list[list[Any]]:
        """The rows of each of several statements, sent at once; none at all where that cannot be done."""
        try:
            cursor = self._idle.pop()
        except IndexError:
            cursor = direct.cursor(detached(self._engine))
        rows: list[list[Any]] = []
        try:
            if direct.sends_several(cursor):
                rows = cursor.read_each(asked)
        except Exception:
            # Other connections may have failed as well (see `fetch`), and what was sent after the fault is lost.
            close(self._engine, cursor.connection)
            self.forget()
            raise
        self._idle.append(cursor)
        self._close_idle(0 if self._over else MOST_IDLE)
        return rows

    def _lost(self, error: Exception, connection: Any) -> bool:
        dialect = self._engine.dialect
        gone = isinstance(error, dialect.loaded_dbapi.Error) and dialect.is_disconnect(error, connection, None)
        return gone or sqlite.broken(error) or postgres.outdated(error)

    def _close_idle(self, but: int) -> None:
        with contextlib.suppress(IndexError):
            while len(self._idle) > but:
                close(self._engine, self._idle.pop(0).connection)

    def shrink(self) -> None:
        """Free the page cache of the connection that is used most."""
        try:
            cursor = self._idle.pop()
        except IndexError:
            return
        sqlite.shrink(cursor.connection)
        self._idle.append(cursor)
        self._close_idle(0 if self._over else MOST_IDLE)

    def forget(self) -> None:
        """Close the idle connections."""
        self._close_idle(0)

    def dispose(self) -> None:
        """Close all connections; lent ones are closed when they come back."""
        self._over = True
        self.forget()


def detached(engine: Engine) -> Any:
    """A new driver connection of an engine, detached from its pool."""
    pooled = engine.raw_connection()
    pooled.detach()
    return pooled.dbapi_connection


def close(engine: Engine, connection: Any) -> None:
    """Close a detached connection, whatever state it is in."""
    with contextlib.suppress(engine.dialect.loaded_dbapi.Error, OSError):
        connection.close()

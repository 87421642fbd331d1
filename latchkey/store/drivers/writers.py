"""Autocommit connections to a database server, each lent for one writing statement."""

import contextlib
from typing import Any

from sqlalchemy import Engine

from latchkey.store.drivers import direct
from latchkey.store.drivers.readers import MOST_IDLE, close, detached
from latchkey.store.postgres import outdated, silent


class Writers:
    """Autocommit connections, as many as statements ran at the same time; each is kept as its cursor."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._over = engine, False
        self._idle: list[Any] = []

    def run(self, text: str, bound: Any) -> int:
        """How many rows the statement changed.

        Nobody can tell whether one was carried out whose connection broke off: it is never asked again.
        """
        cursor = self._lent()
        try:
            changed: int = cursor.execute(text, bound).rowcount
        except BaseException as error:
            close(self._engine, cursor.connection)
            if outdated(error):
                self._close_idle(0)
            raise
        self._idle.append(cursor)
        self._close_idle(0 if self._over else MOST_IDLE)
        return changed

    def _lent(self) -> Any:
        try:
            while True:
                cursor = self._idle.pop()
                if silent(cursor.connection):
                    return cursor
                close(self._engine, cursor.connection)
        except IndexError:
            connection = detached(self._engine)
            connection.autocommit = True
            return direct.cursor(connection)

    def _close_idle(self, but: int) -> None:
        with contextlib.suppress(IndexError):
            while len(self._idle) > but:
                close(self._engine, self._idle.pop(0).connection)

    def dispose(self) -> None:
        """Close all connections; lent ones are closed when they come back."""
        self._over = True
        self._close_idle(0)

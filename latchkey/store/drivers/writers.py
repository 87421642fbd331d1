"""Driver connections that commit each statement by itself: lent for one statement each, to a database elsewhere."""

import select
from typing import Any

from sqlalchemy import Engine

from latchkey.store.drivers.readers import MOST_IDLE, close, detached


class Writers:
    """Driver connections for single statements that write, as many as write at the same time."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._over = engine, False
        self._idle: list[Any] = []

    def run(self, text: str, bound: Any) -> int:
        """How many rows the statement changed.

        Nobody can tell whether one was carried out whose connection broke off: it is never asked again.
        """
        connection = self._lent()
        try:
            changed: int = connection.execute(text, bound).rowcount
        except BaseException:
            close(self._engine, connection)
            raise
        if self._over or len(self._idle) >= MOST_IDLE:
            close(self._engine, connection)
        else:
            self._idle.append(connection)
        return changed

    def _lent(self) -> Any:
        try:
            while True:
                connection = self._idle.pop()
                if _silent(connection):
                    return connection
                close(self._engine, connection)
        except IndexError:
            connection = detached(self._engine)
            connection.autocommit = True
            return connection

    def dispose(self) -> None:
        """Close all; those that are lent, when they come back."""
        self._over = True
        while self._idle:
            close(self._engine, self._idle.pop())


def _silent(connection: Any) -> bool:
    """Whether nothing came while nobody asked: a server says so that it ends a connection, as when it restarts."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)

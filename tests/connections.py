"""Statements and connections that outlive the engines of a test: each test makes engines of its own."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import psycopg
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from sqlalchemy import URL, Engine

from latchkey.store import engines, postgres

# Which database the run is about.
POSTGRESQL = os.environ.get("LATCHKEY_TEST_DATABASE", "sqlite") == "postgresql"
# Databases of the run's own cluster that stay as long as it does.
LASTING = frozenset({"latchkey", "shared"})
MOST_IDLE = 12
# What a connection has left that was closed.
ENDED = psycopg.pq.PGconn.connect(b"host=/nowhere")
ENDED.finish()


class Kept(psycopg.Connection):
    """A connection to PostgreSQL that goes on when it is closed: another one costs a process of the server.

    Whoever closed it has one that is closed in every respect; what it was is lent as another.
    """

    idle: ClassVar[dict[str, list["Kept"]]] = defaultdict(list)
    # The host of the run's own cluster: tests stop others and exchange them.
    home: ClassVar[str] = ""
    name = ""

    @classmethod
    def lend(cls, name: str, connect: Callable[[], psycopg.Connection]) -> "Kept":
        """One that was opened under this name, or else a new one."""
        with contextlib.suppress(IndexError):
            while True:
                connection = cls.idle[name].pop()
                if connection._as_new():
                    return connection
                connection.end()
        return cls._instead_of(connect(), name)

    @classmethod
    def _instead_of(cls, other: psycopg.Connection, name: str) -> "Kept":
        """The same connection, which the other has no more."""
        connection, other.pgconn = cls(other.pgconn), ENDED
        connection.name = name
        return connection

    def _as_new(self) -> bool:
        """Let go of what was set, held and prepared; False: the server has ended it meanwhile."""
        try:
            return self.pgconn.exec_(b"DISCARD ALL").status == ExecStatus.COMMAND_OK
        except psycopg.OperationalError:
            return False

    def close(self) -> None:
        waiting = self.idle[self.name]
        if self._lasts() and len(waiting) < MOST_IDLE:
            waiting.append(self._instead_of(self, self.name))
        else:
            self.end()

    def _lasts(self) -> bool:
        server = self.pgconn
        # One that is closed is in no such state.
        if server.transaction_status != TransactionStatus.IDLE or server.pipeline_status != PipelineStatus.OFF:
            return False
        # Where there are several hosts, the next time it may be another.
        one = "target_session_attrs" not in self.name
        return one and self.info.dbname in LASTING and self.info.host == self.home

    def end(self) -> None:
        super().close()

    @classmethod
    def end_all(cls) -> None:
        for waiting in cls.idle.values():
            while waiting:
                waiting.pop().end()


def share() -> None:
    """Let the engines of a kind share what SQLAlchemy compiles and asks for each of them anew, and connections."""
    create, kinds, opener = engines.create_engine, {}, postgres.opener

    def lending(url: URL, arguments: dict[str, Any]) -> Callable[[], Kept]:
        name = " ".join([str(url), *(f"{each}={value}" for each, value in sorted(arguments.items()))])
        return partial(Kept.lend, name, opener(url, arguments))

    def sharing(url: str, **options: object) -> Engine:
        engine = create(url, **options)
        kind = (engine.dialect.name, options.get("isolation_level"))
        dialect, statements = kinds.get(kind, (None, None))
        if dialect is None or dialect.server_version_info is None:
            # Nothing has connected yet: the first to do so asks for all.
            kinds[kind] = engine.dialect, engine._compiled_cache
        else:
            engine.dialect.initialize = lambda _connection: None
            engine.dialect, engine._compiled_cache = dialect, statements
        return engine

    engines.create_engine, postgres.opener = sharing, lending

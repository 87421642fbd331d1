"""Statements and connections that outlive the engines of a test: each test makes engines of its own."""

from typing import Any, ClassVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, event

from latchkey.store import engines
from latchkey.store.drivers import direct

# Databases of the run's own cluster that stay as long as it does.
LASTING = frozenset({"latchkey", "shared"})
MOST_IDLE = 12


class Kept(psycopg.Connection):
    """A connection to PostgreSQL that is laid aside when it is closed: another one costs a process of the server."""

    idle: ClassVar[dict[str, list["Kept"]]] = {}
    # The host of the run's own cluster: tests stop others and exchange them.
    home: ClassVar[str] = ""
    name = name_of_host = ""
    used = True
    # What has prepared statements by it.
    direct: Any = None

    @classmethod
    def open(cls, *arguments: str, **options: object) -> "Kept":
        name = repr((arguments, sorted(options.items())))
        connection = cls._again(name) or cls.connect(*arguments, **options)
        connection.name, connection.used = name, True
        connection.name_of_host = str(options.get("host", ""))
        return connection

    @classmethod
    def _again(cls, name: str) -> "Kept | None":
        while waiting := cls.idle.get(name):
            connection = waiting.pop()
            try:
                connection.autocommit = True
                # What a test set goes, and a connection that the server ended shows it.
                connection.execute("RESET ALL")
                connection.autocommit = False
            except psycopg.OperationalError:
                super(Kept, connection).close()
            else:
                return connection
        return None

    def close(self) -> None:
        if not self.used:
            return
        self.used = False
        waiting = self.idle.setdefault(self.name, [])
        clean = not self.closed and self.info.transaction_status == TransactionStatus.IDLE
        lasting = clean and self.info.dbname in LASTING and self.info.host == self.home and "," not in self.name_of_host
        if lasting and len(waiting) < MOST_IDLE:
            waiting.append(self)
        else:
            super().close()

    @classmethod
    def close_all(cls) -> None:
        for waiting in cls.idle.values():
            while waiting:
                super(Kept, waiting.pop()).close()


def share() -> None:
    """Let the engines of a kind share what SQLAlchemy compiles and asks for each of them anew, and connections."""
    create, kinds, cursor = engines.create_engine, {}, direct.cursor

    def keeping(connection: Any) -> Any:
        if not isinstance(connection, Kept):
            return cursor(connection)
        connection.direct = connection.direct or cursor(connection)
        return connection.direct

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
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", lambda _dialect, _record, given, named: Kept.open(*given, **named))
        return engine

    engines.create_engine, direct.cursor = sharing, keeping

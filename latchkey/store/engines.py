"""The two engines on one database, the driver connections held besides them, and the write lock of SQLite."""

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, cast
from weakref import ref

import psycopg
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from latchkey.store import postgres
from latchkey.store.queue import Pool, Queue

BUSY_SECONDS = 5
QUEUE_SECONDS = 30


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


class Held:
    """What a thread keeps of its own connection; it goes with the thread, and then the connection can be closed."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection


class Engines:
    """The two engines on one database, and the driver connections that threads hold for hot reads."""

    def __init__(self, url: str, replica_url: str | None = None) -> None:
        where = make_url(url)
        sqlite = where.get_backend_name() == "sqlite"
        if sqlite:
            _make_private(where.database)
        pool: dict[str, Any] = {"poolclass": Pool, "pool_size": 8, "max_overflow": 24, "pool_timeout": QUEUE_SECONDS}
        # P-01: neither a fault's message nor a log of statements tells what was written.
        pool["hide_parameters"] = True
        if not sqlite:
            pool |= {"pool_pre_ping": True, "pool_recycle": 1800}
        self.read = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            **_opened(where, reading=True),
            **pool,
        )
        self.write = create_engine(url, **_opened(where, reading=False), **pool)
        self.replica = _replica(replica_url, pool) if replica_url else None
        self.embedded = sqlite
        self.queue = Queue()
        self._writer: Held | None = None
        if sqlite:
            _tune_sqlite(self.read, reading=True)
            _tune_sqlite(self.write, reading=False)
            _queue_writers(self.write, self.queue)
            _drop_broken(self.read)
            _drop_broken(self.write)
        for engine in filter(None, (self.read, self.write, self.replica)):
            event.listen(engine, "checkin", self._close_late)
            if not sqlite:
                postgres.settle(engine)
        self._local = threading.local()
        self._disposed = False
        # Servers end idle threads and start others. While a thread that is not Python's own ends, no Python code may
        # run (the process would crash), neither ours nor a driver's: so its connection is only put aside for closing.
        self._held: dict[ref[Held], Any] = {}
        self._ended: deque[ref[Held]] = deque()

    def held(self) -> Any:
        """This thread's own driver connection for reading; it never returns to the pool."""
        own = getattr(self._local, "own", None)
        if own is None:
            own = self._local.own = self._detached(self.read)
        return own.connection

    def held_replica(self) -> Any:
        """The same to the replica."""
        own = getattr(self._local, "replica", None)
        if own is None:
            own = self._local.replica = self._detached(cast("Engine", self.replica))
        return own.connection

    def drop_replica(self) -> None:
        """Forget this thread's connection to the replica."""
        own: Held | None = self._local.__dict__.pop("replica", None)
        if own is not None:
            self._drop(own)

    @contextlib.contextmanager
    def write_lock(self) -> Iterator[Any]:
        """Hold SQLite's write lock: the writer's driver connection, which only its holder uses.

        Until it is released, `held` gives the same connection to this thread, so that reads use its page cache: what
        one connection writes invalidates the caches of the others. Reentrant.
        """
        mine: Held | None = getattr(self._local, "own", None)
        if mine is not None and mine is self._writer:
            yield mine.connection
            return
        _lock(self.queue)
        try:
            writer = self._writer = self._local.own = self._writer or self._detached(self.write)
            try:
                yield writer.connection
            except sqlite3.DatabaseError as error:
                if broken(error):
                    self._drop(writer)
                raise
        finally:
            self._local.own = mine
            self.queue.release()

    def _detached(self, engine: Engine) -> Held:
        with contextlib.suppress(IndexError):
            while True:
                self._held.pop(self._ended.popleft()).close()
        pooled = engine.raw_connection()
        pooled.detach()
        own = Held(pooled.dbapi_connection)
        self._held[ref(own, self._ended.append)] = own.connection
        if self._disposed:
            # A thread that outlives its engines: nobody would close it later.
            own.connection.close()
        return own

    def _close_late(self, _connection: Any, record: Any) -> None:
        # Its pool was disposed of while it was out: nobody would close it there.
        if self._disposed:
            record.invalidate()

    def drop_held(self) -> None:
        """Forget this thread's connection after a fault: what made it may be over, and what it left behind is not."""
        own: Held | None = getattr(self._local, "own", None)
        if own is not None:
            self._drop(own)
            self._local.own = None

    def _drop(self, own: Held) -> None:
        if own is self._writer:
            self._writer = None
        with contextlib.suppress(sqlite3.Error, psycopg.Error, OSError):
            own.connection.close()

    def dispose(self) -> None:
        self._disposed = True
        for connection in list(self._held.values()):
            connection.close()
        self._local = threading.local()
        self._writer = None
        self._held.clear()
        self._ended.clear()
        for engine in filter(None, (self.read, self.write, self.replica)):
            engine.dispose()


def _replica(url: str, pool: dict[str, Any]) -> Engine:
    options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True, "pool_reset_on_return": None}
    return create_engine(url, creator=postgres.opener(make_url(url), postgres.of_replica()), **options, **pool)


def _opened(url: URL, *, reading: bool) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"check_same_thread": False}}
    return {"creator": postgres.opener(url, postgres.arguments(url, reading=reading))}


def _make_private(file: str | None) -> None:
    """A new database is its owner's alone; SQLite gives what it puts beside the file the same mode."""
    if file and not file.startswith((":", "file:")):
        # Where it cannot be made, connecting says why.
        with contextlib.suppress(OSError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _tune_sqlite(engine: Engine, *, reading: bool) -> None:
    @event.listens_for(engine, "connect")
    def tune(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "cache_size=-16000",
            "journal_size_limit=67108864",
            "wal_autocheckpoint=4000",
            f"query_only={'ON' if reading else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")


def _drop_broken(engine: Engine) -> None:
    @event.listens_for(engine, "handle_error")
    def told(context: ExceptionContext) -> None:
        # Every pooled connection is then made anew before it is used.
        context.is_disconnect = context.is_disconnect or broken(context.original_exception)


def _lock(queue: Queue) -> None:
    if not queue.acquire(QUEUE_SECONDS):
        raise OperationalError("BEGIN IMMEDIATE", {}, TimeoutError("the write queue did not move"))


def _queue_writers(engine: Engine, queue: Queue) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        _lock(queue)
        # It hands on when it is back in its pool.
        connection.connection.info["queued"] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def checkin(_connection: Any, record: Any) -> None:
        if record.info.pop("queued", False):
            queue.release()

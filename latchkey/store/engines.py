"""The two engines on one database, the driver connections besides them, and the write lock of SQLite."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from latchkey.store import postgres
from latchkey.store.drivers import sqlite
from latchkey.store.drivers.readers import Readers, close, detached
from latchkey.store.drivers.writers import Writers
from latchkey.store.queue import Pool, Queue

QUEUE_SECONDS = 30
# How long a thread waits for the write lock again after a wait timed out. Writers hold it for a few milliseconds each.
HASTY_SECONDS = 0.05


class _Own(threading.local):
    """What a thread has of its own: the connection by which it writes, and whether it has waited enough for that.

    Both stand here, too: to look for what a thread does not have takes ten times as long.
    """

    writer: Any = None
    hasty = False


class Engines:
    """The two engines on one database, and the driver connections beside them for hot reads."""

    def __init__(self, url: str, replica_url: str | None = None) -> None:
        where = make_url(url)
        self.embedded = where.get_backend_name() == "sqlite"
        if self.embedded:
            sqlite.make_private(where.database)
        pool = _pool(embedded=self.embedded)
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
        self.queue = Queue()
        self._writer: Any = None
        # When a wait for the write lock of another process last timed out.
        self._vain_at = float("-inf")
        if self.embedded:
            sqlite.tune(self.read, reading=True)
            sqlite.tune(self.write, reading=False)
            self._queue_writers()
            sqlite.drop_broken(self.read)
            sqlite.drop_broken(self.write)
        for engine in filter(None, (self.read, self.write, self.replica)):
            event.listen(engine, "checkin", self._close_late)
            if not self.embedded:
                postgres.settle(engine)
                postgres.replace_dead(engine)
                postgres.drop_outdated(engine)
        if not self.embedded:
            postgres.give_way(self.read)
        self._local = _Own()
        self._disposed = False
        self._readers = Readers(self.read)
        self._replicas = None if self.replica is None else Readers(self.replica)
        self._writers = Writers(self.write)

    def fetch(self, text: str, bound: Any) -> list[Any]:
        """The rows of a SELECT, read by a driver connection that is lent to this thread for it."""
        writer = self._local.writer
        if writer is None:
            return self._readers.fetch(text, bound, again=True)
        rows: list[Any] = writer.execute(text, bound).fetchall()
        return rows

    def fetch_each(self, asked: Sequence[tuple[str, Any]]) -> list[list[Any]]:
        """The rows of each of several SELECTs, sent together; an empty list where the driver cannot do that."""
        return self._readers.fetch_each(asked)

    def fetch_replica(self, text: str, bound: Any) -> list[Any]:
        """Like `fetch`, at the replica."""
        return cast("Readers", self._replicas).fetch(text, bound, again=False)

    def drop_replica(self) -> None:
        """Close the idle connections to the replica."""
        cast("Readers", self._replicas).forget()

    def write_once(self, text: str, bound: Any) -> int:
        """Run one statement as its own transaction, on a database server. Returns how many rows it changed."""
        return self._writers.run(text, bound)

    @contextlib.contextmanager
    def write_lock(self) -> Iterator[Any]:
        """Hold SQLite's write lock: the writer's driver connection, which only its holder uses.

        Until it is released, this thread reads by the same connection, so that it uses its page cache: what one
        connection writes invalidates the caches of the others. Reentrant.
        """
        mine = self._local.writer
        if mine is not None:
            yield mine
            return
        hasty = self._lock()
        try:
            writer = self._writer = self._local.writer = self._writer or detached(self.write)
            try:
                with sqlite.patience(writer, HASTY_SECONDS) if hasty else contextlib.nullcontext():
                    yield writer
            except (sqlite3.Error, DBAPIError) as error:
                self._note(error)
                if sqlite.broken(error.orig if isinstance(error, DBAPIError) else error):
                    self._writer = None
                    close(self.write, writer)
                raise
        finally:
            self._local.writer = None
            self.queue.release()

    @contextlib.contextmanager
    def hasty(self) -> Iterator[None]:
        """Within it this thread waits only briefly for the write lock, since a wait of it just timed out."""
        self._local.hasty = True
        try:
            yield
        finally:
            self._local.hasty = False

    def _lock(self) -> bool:
        """Take the turn to write. Returns whether to wait only briefly for other processes, since a wait timed out."""
        hasty, came = self._local.hasty, time.monotonic()
        if not self.queue.acquire(HASTY_SECONDS if hasty else QUEUE_SECONDS):
            raise OperationalError("BEGIN IMMEDIATE", {}, TimeoutError("the write queue did not move"))
        return hasty or came < self._vain_at

    def _note(self, error: Exception) -> None:
        if sqlite.busy(error):
            self._vain_at = time.monotonic()

    def _queue_writers(self) -> None:
        @event.listens_for(self.write, "begin")
        def begin(connection: Any) -> None:
            hasty, driven = self._lock(), connection.connection
            # The turn is released when the connection is back in its pool (`checkin`).
            driven.info["queued"] = True
            try:
                with sqlite.patience(driven.dbapi_connection, HASTY_SECONDS) if hasty else contextlib.nullcontext():
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
            except DBAPIError as error:
                self._note(error)
                raise

        @event.listens_for(self.write, "checkin")
        def checkin(_connection: Any, record: Any) -> None:
            if record.info.pop("queued", False):
                self.queue.release()

    def _close_late(self, _connection: Any, record: Any) -> None:
        # The pool was disposed of while the connection was lent, so nothing else would close it.
        if self._disposed:
            record.invalidate()

    def shrink(self) -> None:
        """Free the page caches of idle SQLite connections. The same pages are in the cache of the operating system."""
        if not self.embedded:
            return
        self._readers.shrink()
        for engine in (self.read, self.write):
            # The pool is last in, first out: the first connection is the one with a filled cache.
            if cast("Pool", engine.pool).checkedin():
                with contextlib.closing(engine.raw_connection()) as lent:
                    sqlite.shrink(lent.dbapi_connection)

    def dispose(self) -> None:
        self._disposed = True
        for readers in filter(None, (self._readers, self._replicas)):
            readers.dispose()
        self._writers.dispose()
        writer, self._writer = self._writer, None
        if writer is not None:
            close(self.write, writer)
        self._local = _Own()
        for engine in filter(None, (self.read, self.write, self.replica)):
            engine.dispose()


def _pool(*, embedded: bool) -> dict[str, Any]:
    return {
        "poolclass": Pool,
        # SQLite: connections are cheap to open, and each has a page cache. PostgreSQL: they take longer to open.
        "pool_size": 4 if embedded else 8,
        "max_overflow": 24,
        "pool_timeout": QUEUE_SECONDS,
        # Last in, first out, so that only a few connections fill their caches.
        "pool_use_lifo": True,
        # P-01: no parameter appears in an exception's text or in a log of statements.
        "hide_parameters": True,
    } | ({} if embedded else {"pool_recycle": 1800})


def _replica(url: str, pool: dict[str, Any]) -> Engine:
    options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True, "pool_reset_on_return": None}
    where = make_url(url)
    return create_engine(url, creator=postgres.opener(where, postgres.of_replica(where)), **options, **pool)


def _opened(url: URL, *, reading: bool) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"check_same_thread": False}}
    return {"creator": postgres.opener(url, postgres.arguments(url, reading=reading))}

"""Engines for SQLite and PostgreSQL, the declarative base, and the session that every record lives in.

Two engines stand on one database. Reads go to an autocommit engine that refuses writes. The first flush, DML
statement or `with_for_update()` moves the session to the write engine, whose transactions begin at once: on SQLite
with BEGIN IMMEDIATE under a process-wide queue, so that writers wait for each other instead of failing.
"""

import contextlib
import os
import secrets
import threading
from collections import deque
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast
from weakref import ref

from sqlalchemy import CursorResult, DateTime, Dialect, Engine, MetaData, Select, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, scoped_session, sessionmaker
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeDecorator

from latchkey import clock
from latchkey.turns import Queue

BUSY_SECONDS = 5
QUEUE_SECONDS = 30


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC for the database; SQLite keeps it without its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """An aware moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every record is."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy's own way to declare it


def stamp() -> datetime:
    """The moment at which a record is made, for column defaults."""
    return clock.now()


_sequence = count()


def new_id(prefix: str) -> str:
    """An opaque id such as tok_…: time and a sequence number, so that ids sort by creation, and 48 random bits."""
    moment = int(clock.now().timestamp() * 1000)
    return f"{prefix}_{moment:012x}{next(_sequence) & 0xFFFF:04x}{secrets.token_hex(6)}"


class Held:
    """What a thread keeps of its own connection; it goes with the thread, and then the connection can be closed."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection


class Engines:
    """The two engines on one database, and the driver connections that threads hold for hot reads."""

    def __init__(self, url: str) -> None:
        sqlite = make_url(url).get_backend_name() == "sqlite"
        if sqlite:
            _make_private(make_url(url).database)
        pool: dict[str, Any] = {"pool_size": 8, "max_overflow": 24, "pool_timeout": QUEUE_SECONDS}
        # P-01: neither a fault's message nor a log of statements tells what was written.
        pool["hide_parameters"] = True
        if not sqlite:
            pool |= {"pool_pre_ping": True, "pool_recycle": 1800}
        self.read = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            connect_args={"check_same_thread": False}
            if sqlite
            else {"options": "-c timezone=UTC -c default_transaction_read_only=on"},
            **pool,
        )
        self.write = create_engine(
            url, connect_args={"check_same_thread": False} if sqlite else {"options": "-c timezone=UTC"}, **pool
        )
        self.queue = Queue()
        if sqlite:
            _tune_sqlite(self.read, reading=True)
            _tune_sqlite(self.write, reading=False)
            _queue_writers(self.write, self.queue)
        self._local = threading.local()
        # Servers end idle threads and start others. While a thread that is not Python's own ends, no Python code may
        # run (the process would crash), neither ours nor a driver's: so its connection is only put aside for closing.
        self._held: dict[ref[Held], Any] = {}
        self._ended: deque[ref[Held]] = deque()

    def held(self) -> Any:
        """This thread's own driver connection for reading; it never returns to the pool."""
        own = getattr(self._local, "own", None)
        if own is None:
            with contextlib.suppress(IndexError):
                while True:
                    self._held.pop(self._ended.popleft()).close()
            pooled = self.read.raw_connection()
            pooled.detach()
            own = self._local.own = Held(pooled.dbapi_connection)
            self._held[ref(own, self._ended.append)] = own.connection
        return own.connection

    def drop_held(self) -> None:
        """Forget this thread's connection after it broke."""
        self._local.own.connection.close()
        self._local.own = None

    def dispose(self) -> None:
        """Close everything."""
        for connection in list(self._held.values()):
            connection.close()
        self._local = threading.local()
        self._held.clear()
        self._ended.clear()
        self.read.dispose()
        self.write.dispose()


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
            f"query_only={'ON' if reading else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")


def take_turn(queue: Queue, info: dict[str, Any]) -> None:
    """Wait to write on SQLite, and note on the connection that it has the turn: it hands on when back in its pool."""
    if not queue.acquire(QUEUE_SECONDS):
        raise OperationalError("BEGIN IMMEDIATE", {}, TimeoutError("the write queue did not move"))
    info["queued"] = True


def _queue_writers(engine: Engine, queue: Queue) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        take_turn(queue, connection.connection.info)
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def checkin(_connection: Any, record: Any) -> None:
        if record.info.pop("queued", False):
            queue.release()


_engines: list[Engines] = []


def engines() -> Engines:
    """The engines of this process."""
    return _engines[0]


def configure(url: str) -> None:
    """Connect this process to a database, leaving the one before."""
    dispose()
    _engines[:] = [Engines(url)]


def dispose() -> None:
    """Close every connection of this process."""
    db.remove()
    while _engines:
        _engines.pop().dispose()


class RoutingSession(Session):
    """A session that reads without a transaction until it has something to write."""

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **_: Any) -> Engine:
        """The write engine from the first flush, DML or `with_for_update()` on, else the read engine."""
        locking = isinstance(clause, Select) and clause._for_update_arg is not None  # noqa: SLF001 - no public way to ask
        if self._flushing or locking or isinstance(clause, UpdateBase):
            self.info["writing"] = True
        return engines().write if self.info.get("writing") else engines().read


@event.listens_for(RoutingSession, "after_transaction_end")
def _back_to_reading(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("writing", None)


db = scoped_session(sessionmaker(class_=RoutingSession, expire_on_commit=False))


def affected(statement: UpdateBase) -> int:
    """Run a DML statement in the session; how many rows it changed."""
    return cast("CursorResult[Any]", db.execute(statement)).rowcount

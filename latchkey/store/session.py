"""The engines of this process, the declarative base, and the session that every record lives in.

Two engines stand on one database. Reads go to an autocommit engine that refuses writes. The first flush, DML
statement or `with_for_update()` moves the session to the write engine, whose transactions begin at once: on SQLite
with BEGIN IMMEDIATE under a process-wide queue, so that writers wait for each other instead of failing.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import CursorResult, DateTime, Dialect, Engine, Index, MetaData, Select, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, scoped_session, sessionmaker
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeDecorator

from latchkey import clock, turns
from latchkey.store.engines import Engines


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


def some(name: str | None, *columns: str, where: str, unique: bool = False, only: str | None = None) -> Index:
    """A partial index of the rows that `where` holds for; with `only`, an index of one of the databases alone."""
    rows = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=rows, postgresql_where=rows, info={"only": only})


def stamp() -> datetime:
    """The moment at which a record is made, for column defaults."""
    return clock.now()


_engines: list[Engines] = []


def engines() -> Engines:
    """The engines of this process."""
    return _engines[0]


def configure(url: str, replica_url: str | None = None) -> None:
    """Connect this process to a database, leaving the one before; to its replica, too, for what may be asked there."""
    dispose()
    _engines[:] = [Engines(url, replica_url)]


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
            turns.hold(something=True)
        return engines().write if self.info.get("writing") else engines().read


@event.listens_for(RoutingSession, "after_transaction_end")
def _back_to_reading(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("writing", None)
        turns.hold(something=False)


db = scoped_session(sessionmaker(class_=RoutingSession, expire_on_commit=False))


def reads_only() -> bool:
    """Whether the session has written nothing yet, and has nothing to write."""
    session = db()
    return not (session.info or session.new or session.dirty or session.deleted or session.in_nested_transaction())


def insert_into(record: Any) -> sqlite.Insert | postgresql.Insert:
    """An insert into a record's table that may say what becomes of a row that is there already (`on_conflict_do_…`)."""
    return (sqlite.insert if engines().embedded else postgresql.insert)(record)


def rest() -> None:
    """Return the connection of a session that only read to its pool, before something that takes long."""
    if db.registry.has() and reads_only():
        db.commit()


def shrink() -> None:
    """Free what idle connections keep in memory."""
    engines().shrink()


def affected(statement: UpdateBase) -> int:
    """Run a DML statement in the session. Returns how many rows it changed."""
    return cast("CursorResult[Any]", db.execute(statement)).rowcount


def commit_parts(parts: Iterable[int]) -> int:
    """Commit after each part of work that is too much for one transaction. Returns the sum of what the parts yield."""
    told = 0
    for part in parts:
        db.commit()
        told += part
    db.commit()
    return told

"""The list of what ended or does less than before, numbered so that whoever has read up to a number missed nothing.

A verb that ends something notes it; the session writes all that its transaction noted in one statement, just before the
commit. The numbers are milliseconds of the clock, or the next one after the last if that is later: so they also go on
rising in a database that was put back, and tell when something ended.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Sequence, String, event, func, select, text
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from latchkey import clock
from latchkey.store.session import Base, RoutingSession, db
from latchkey.store.sweeping import sweep

KEPT = timedelta(days=1)
# The advisory lock that a PostgreSQL transaction holds from its first number to its commit, so that nobody ever sees a
# number before a lower one. It is used for nothing else.
TURN = 0x4C4B_454E_4453
NUMBERS = Sequence("ending_seq", metadata=Base.metadata)
NOTED = "endings"


class Kind(StrEnum):
    """The kinds of things whose ending makes a remembered answer about a token wrong."""

    TOKEN = "token"
    GRANT = "grant"
    AUTHORIZATION = "authorization"
    USER = "user"
    CLIENT = "client"
    RESOURCE = "resource"


class Ending(Base):
    """One thing that ended or was narrowed, which guards may still remember as it was."""

    __tablename__ = "ending"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(13))
    target_id: Mapped[str] = mapped_column(String(100))


_ON_SQLITE = text(
    "INSERT INTO ending (seq, kind, target_id)"
    " SELECT max(coalesce((SELECT max(seq) FROM ending), 0), :before) + 1 + noted.key,"
    " json_extract(noted.value, '$[0]'), json_extract(noted.value, '$[1]') FROM json_each(:noted) AS noted"
)
# The lock is taken before the first number, and released by the commit, when the rows can be seen.
_ON_POSTGRESQL = text(
    "INSERT INTO ending (seq, kind, target_id)"
    " WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(:turn))"
    " SELECT setval('ending_seq', greatest(nextval('ending_seq'), CAST(:before AS bigint) + 1)),"
    " noted.value->>0, noted.value->>1 FROM turn, jsonb_array_elements(CAST(:noted AS jsonb)) AS noted"
).bindparams(turn=TURN)


def note(kind: Kind, *target_ids: str) -> None:
    """Note that these end, or do less, when this transaction commits."""
    noted: dict[tuple[Kind, str], None] = db.info.setdefault(NOTED, {})
    noted.update(dict.fromkeys((kind, target_id) for target_id in target_ids))


@event.listens_for(RoutingSession, "before_commit")
def _write(session: Session) -> None:
    if NOTED not in session.info or session.in_nested_transaction():
        return
    # All rows are locked before the advisory lock, so that its holder never waits for a row.
    session.flush()
    noted: Mapping[tuple[Kind, str], None] = session.info.pop(NOTED)
    session.info["writing"] = True
    connection = session.connection()
    statement = _ON_SQLITE if connection.dialect.name == "sqlite" else _ON_POSTGRESQL
    connection.execute(statement, {"before": _milliseconds() - 1, "noted": json.dumps(list(noted))})


@event.listens_for(RoutingSession, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(NOTED, None)


def _milliseconds() -> int:
    return number(clock.now())


def number(at: datetime) -> int:
    """A number that no ending of that moment or later falls below."""
    return int(at.timestamp() * 1000)


def moment(seq: int) -> datetime:
    """When the ending with this number was written."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=seq)


def purge() -> bool:
    """Remove some of those of more than a day ago; whether there may be more.

    The last one stays: by it a guard that has read all is told from one of another history.
    """
    last: Any = select(func.max(Ending.seq)).scalar_subquery()
    before = _milliseconds() - int(KEPT.total_seconds() * 1000)
    return sweep(Ending, Ending.seq < before, Ending.seq < last)

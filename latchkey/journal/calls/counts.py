"""Calls that came with tokens, a row a day for all that are alike, and what they took."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Date, ForeignKey, Select, SmallInteger, String, Text, bindparam, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal.calls import places, refused_calls
from latchkey.journal.calls.adding import Adding
from latchkey.journal.calls.entries import ANY, CLIENT, USER, Entry
from latchkey.journal.calls.places import CallPlace
from latchkey.journal.calls.refused_calls import RefusedCall
from latchkey.journal.refusals import LONGEST_CALL
from latchkey.store.session import Base, db, engines
from latchkey.store.sweeping import sweep

DAYS = 30
AT_A_TIME = 1_000
# How many kinds of calls of a token get rows of their own in a day and process; further kinds are counted as one.
MOST_SHAPES = 50
MOST_REMEMBERED = 20_000


class CallCount(Base):
    """How many calls of one kind came on a day, by what their token came to.

    `source_id` is a developer token or an app. An app has rows in all, and for each user one a day without the kind.
    """

    __tablename__ = "call_count"

    source_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True, index=True)
    status: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    # A digest of call and scope, which may be too long for a key.
    shape: Mapped[str] = mapped_column(String(32), primary_key=True)
    call: Mapped[str] = mapped_column(String(LONGEST_CALL))
    scope: Mapped[str] = mapped_column(Text)
    # The user with whose account the row is deleted.
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    calls: Mapped[int]
    last_at: Mapped[datetime]


class _Shape(NamedTuple):
    """A kind of call, and the digest that tells it from others."""

    digest: str
    call: str
    scope: str


Tallied = tuple[Entry, int, datetime]
# The columns of a row that are its key, and the others.
_Key = tuple[str, str, date, int, str]
_Sum = tuple[str, str, str | None, int, datetime]
# What calls past `MOST_SHAPES` are counted as.
_BEYOND = _Shape(ANY, "", ANY)
# The digests of each token and day. A tuple, since most have one or two, for which a set would be large.
_shapes: dict[tuple[str, int], tuple[str, ...]] = {}


def write(calls: Sequence[Tallied], refused: Sequence[tuple[RefusedCall, int, datetime]]) -> None:
    """Add what was counted to the table, in one transaction. Other processes may do the same at the same time.

    Users and apps that are gone meanwhile take their counts with them.
    """
    # Before the transaction, for which other writers wait.
    rows = _rows(calls)
    of_clients = {key[CLIENT] for key, _, _ in calls} | {key.client_id for key, _, _ in refused}
    of_users = {key[USER] for key, _, _ in calls} | {key.user_id for key, _, _ in refused}
    with engines().write.begin() as connection:
        # Locked in the usual order (users, then clients), so that they are not deleted before the commit.
        users, clients = _held(connection, _users, of_users), _held(connection, _clients, of_clients)
        if not (of_users <= users and of_clients <= clients):
            calls = [one for one in calls if one[0][USER] in users and one[0][CLIENT] in clients]
            refused = [one for one in refused if one[0].user_id in users and one[0].client_id in clients]
            rows = _rows(calls)
        _add(connection, rows)
        placed = places.write(connection, calls)
        refused_calls.keep(connection, refused)
    places.remember(placed)


def _holding(record: Any) -> Select[tuple[str]]:
    statement = select(record.id).where(record.id.in_(bindparam("ids", expanding=True))).order_by(record.id)
    return statement.with_for_update(read=True, key_share=True, of=record)


# Built once: building one takes as long as writing a hundred rows.
_users, _clients = _holding(User), _holding(Client)


def _held(connection: Connection, statement: Select[tuple[str]], ids: set[str | None]) -> set[str | None]:
    wanted = sorted(known for known in ids if known is not None)
    return {None, *connection.scalars(statement, {"ids": wanted})} if wanted else {None}


def _rows(calls: Iterable[Tallied]) -> list[tuple[Any, ...]]:
    rows: dict[_Key, _Sum] = {}
    for (app, token, user, ordinal, status, call, wanted, _, _), times, at in calls:
        source, day = str(app or token), _day(ordinal)
        shape = _shape(source, ordinal, call, wanted)
        told = (shape.call, shape.scope, None if app else user, times, at)
        _tally(rows, (source, "", day, status, shape.digest), told)
        if app is not None and user is not None:
            _tally(rows, (source, user, day, status, ""), ("", "", user, times, at))
    # Sorted by their keys, so that two processes never deadlock.
    return [(*key, *rows[key]) for key in sorted(rows)]


def _tally(rows: dict[_Key, _Sum], key: _Key, told: _Sum) -> None:
    known = rows.get(key)
    if known is not None:
        *what, times, at = told
        told = (*what, times + known[-2], max(at, known[-1]))  # type: ignore[assignment] # two of five were taken off
    rows[key] = told


_day = lru_cache(maxsize=DAYS)(date.fromordinal)


def _shape(source: str, day: int, call: str, wanted: frozenset[str]) -> _Shape:
    shape = _shape_of(call, wanted)
    mine = source, day
    known = _shapes.get(mine, ())
    if shape.digest in known:
        return shape
    if len(known) < MOST_SHAPES:
        if not known and len(_shapes) >= MOST_REMEMBERED:
            _shapes.clear()
        _shapes[mine] = (*known, shape.digest)
        return shape
    return _BEYOND


@lru_cache(maxsize=1024)
def _shape_of(call: str, wanted: frozenset[str]) -> _Shape:
    call, scope = call[:LONGEST_CALL], ANY if ANY in wanted else scopes.serialize(wanted)
    return _Shape(hashlib.sha256(f"{call}\n{scope}".encode()).hexdigest()[:32], call, scope)


_add = Adding(CallCount, "calls")


def forget(source_id: str) -> None:
    """Remove what was counted for an app that is being deleted."""
    db.execute(delete(CallCount).where(CallCount.source_id == source_id))


def first_day() -> date:
    """The first of the days that are kept."""
    return clock.now().date() - timedelta(days=DAYS - 1)


def purge() -> bool:
    """Remove some of what is older than that; whether there may be more."""
    if sweep(CallCount, CallCount.day < first_day(), at_a_time=AT_A_TIME):
        return True
    return sweep(CallPlace, CallPlace.last_at < clock.now() - timedelta(days=DAYS), at_a_time=AT_A_TIME)

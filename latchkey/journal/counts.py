"""Calls that came with tokens, a row a day for all that are alike: what they took, and from where they came."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Date, ForeignKey, SmallInteger, String, Text, bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal import refusals
from latchkey.store.session import Base, db, engines
from latchkey.store.sweeping import sweep

DAYS = 30
AT_A_TIME = 1_000
LONGEST_CALL = 60
# Kinds of calls a token has rows for, a day and a process: what comes besides is counted as one kind.
MOST_SHAPES = 50
MOST_PLACES = 20
# Places are kept to the minute, as last uses are.
PLACED_EVERY = timedelta(minutes=1)
MOST_REMEMBERED = 20_000
# The scopes of calls that were too many kinds to tell apart: each counts as used.
ANY = "*"


class CallCount(Base):
    """How many calls of one kind came on a day, by what their token came to.

    `source_id` is a developer token or an app. An app has rows in all, and for each user one a day without the kind.
    """

    __tablename__ = "call_count"

    source_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True, index=True)
    status: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    # Of call and scope, which may be longer than a key.
    shape: Mapped[str] = mapped_column(String(32), primary_key=True)
    call: Mapped[str] = mapped_column(String(LONGEST_CALL))
    scope: Mapped[str] = mapped_column(Text)
    # With whose account the row goes.
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    calls: Mapped[int]
    last_at: Mapped[datetime]


class CallPlace(Base):
    """From where a developer token was used, by which program. An app's are its users' own, so they are not kept."""

    __tablename__ = "call_place"

    token_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    address: Mapped[str] = mapped_column(String(45), primary_key=True)
    agent: Mapped[str] = mapped_column(String(200), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)


class Counted(NamedTuple):
    """One kind of call as it is counted in memory. A developer token has no client, an app's tokens are all one."""

    client_id: str | None
    token_id: str | None
    user_id: str | None
    day: int
    status: int
    call: str
    wanted: frozenset[str]
    address: str
    agent: str

    @property
    def plain(self) -> "Counted":
        """The same without its details; nobody knows what such calls took."""
        return self._replace(call="", wanted=frozenset({ANY}), address="", agent="")


class Turned(NamedTuple):
    """One kind of refused call."""

    client_id: str | None
    token_id: str | None
    user_id: str | None
    day: int
    reason: refusals.Reason
    detail: str
    call: str
    address: str


Tallied = tuple[Counted, int, datetime]
_KEY = (CallCount.source_id, CallCount.person_id, CallCount.day, CallCount.status, CallCount.shape)
_shapes: dict[tuple[str, int], set[str]] = {}
_placed: dict[tuple[str, str, str], datetime] = {}


def write(calls: Sequence[Tallied], refused: Sequence[tuple[Turned, int, datetime]]) -> None:
    """Add what was counted to what is there, in one transaction; other processes do the same at the same time.

    Users and apps that are gone meanwhile take their counts with them.
    """
    keys: list[Counted | Turned] = [key for key, *_ in calls]
    keys += [key for key, *_ in refused]
    with engines().write.begin() as connection:
        # In the order of locks (conflicts): what is there stays until the commit.
        users = _held(connection, User, {key.user_id for key in keys})
        clients = _held(connection, Client, {key.client_id for key in keys})
        there = [one for one in calls if one[0].user_id in users and one[0].client_id in clients]
        _add(connection, CallCount, _rows(there), adding=("calls",))
        _place(connection, there)
        turned = [one for one in refused if one[0].user_id in users and one[0].client_id in clients]
        refusals.keep(connection, turned)


def _held(connection: Connection, record: Any, ids: set[str | None]) -> set[str | None]:
    wanted = sorted(known for known in ids if known is not None)
    if not wanted:
        return {None}
    statement = select(record.id).where(record.id.in_(wanted)).order_by(record.id)
    return {None, *connection.scalars(statement.with_for_update(read=True, key_share=True, of=record))}


def _rows(calls: Iterable[Tallied]) -> list[dict[str, Any]]:
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, times, at in calls:
        source, app = key.client_id or str(key.token_id), key.client_id is not None
        shape, call, scope = _shape(source, key)
        owner = None if app else key.user_id
        _tally(rows, (source, "", key.day, key.status, shape), (call, scope, owner), times, at)
        if app and key.user_id is not None:
            _tally(rows, (source, key.user_id, key.day, key.status, ""), ("", "", key.user_id), times, at)
    # In the order of their keys, so that two processes never wait for each other in a circle.
    return [rows[key] for key in sorted(rows)]


def _tally(
    rows: dict[tuple[Any, ...], dict[str, Any]],
    key: tuple[str, str, int, int, str],
    told: tuple[str, str, str | None],
    times: int,
    at: datetime,
) -> None:
    source, person, day, status, shape = key
    call, scope, user_id = told
    named = {"source_id": source, "person_id": person, "day": date.fromordinal(day), "status": status, "shape": shape}
    row = rows.setdefault(key, {**named, "call": call, "scope": scope, "user_id": user_id, "calls": 0, "last_at": at})
    row["calls"] += times
    row["last_at"] = max(row["last_at"], at)


def _shape(source: str, key: Counted) -> tuple[str, str, str]:
    scope = ANY if ANY in key.wanted else scopes.serialize(key.wanted)
    call = key.call[:LONGEST_CALL]
    digest = hashlib.sha256(f"{call}\n{scope}".encode()).hexdigest()[:32]
    if len(_shapes) >= MOST_REMEMBERED:
        _shapes.clear()
    known = _shapes.setdefault((source, key.day), set())
    if digest in known or len(known) < MOST_SHAPES:
        known.add(digest)
        return digest, call, scope
    return ANY, "", ANY


def _place(connection: Connection, calls: Iterable[Tallied]) -> None:
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for key, _, at in sorted(calls, key=lambda one: one[2]):
        place = (str(key.token_id), key.address, key.agent)
        lately = _placed.get(place)
        if key.client_id is None and key.address and (lately is None or at - lately >= PLACED_EVERY):
            row = rows.setdefault(place, {"first_at": at})
            row |= dict(zip(("token_id", "address", "agent"), place, strict=True), user_id=key.user_id, last_at=at)
    # Of many in one second only so many of a token reach the database at all.
    newest: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows.values(), key=lambda one: one["last_at"], reverse=True):
        if len(newest[row["token_id"]]) < MOST_PLACES:
            newest[row["token_id"]].append(row)
    kept = [row for token_id in sorted(newest) for row in newest[token_id]]
    kept.sort(key=lambda row: (row["token_id"], row["address"], row["agent"]))
    _add(connection, CallPlace, kept)
    if newest:
        connection.execute(_crowded, [{"of_token": token_id} for token_id in sorted(newest)])
    if len(_placed) >= MOST_REMEMBERED:
        _placed.clear()
    _placed.update({(row["token_id"], row["address"], row["agent"]): row["last_at"] for row in kept})


_oldest_kept = (
    select(CallPlace.last_at)
    .where(CallPlace.token_id == bindparam("of_token"))
    .order_by(CallPlace.last_at.desc())
    .offset(MOST_PLACES - 1)
    .limit(1)
    .scalar_subquery()
)
_crowded = delete(CallPlace).where(CallPlace.token_id == bindparam("of_token"), CallPlace.last_at < _oldest_kept)


def _add(connection: Connection, record: Any, rows: Sequence[dict[str, Any]], adding: Sequence[str] = ()) -> None:
    """Insert rows, or add to those that are there, whoever made them."""
    if not rows:
        return
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(record)
    table, new = record.__table__, statement.excluded
    changed = {name: table.c[name] + new[name] for name in adding}
    changed["last_at"] = case((new.last_at > table.c.last_at, new.last_at), else_=table.c.last_at)
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed), list(rows)
    )


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

"""What was refused, with the reason in words, for whoever can mend it: never a code or a secret.

Requests of an app at the OAuth endpoints are one row each; calls that came with a token are a row a day for all alike.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Connection, ForeignKey, Index, String, bindparam, case, delete, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, origin
from latchkey.clients import Client
from latchkey.ids import new_id
from latchkey.store.session import Base, UtcDateTime, db, stamp
from latchkey.store.sweeping import sweep

KEPT = timedelta(days=30)
# Anybody can send a bad request in an app's name: past so many a minute they are kept nowhere. Of each error so many,
# and of those that are alike fewer: what strangers can be refused for leaves room for what only the app itself can.
MOST_A_MINUTE = 30
ALIKE_A_MINUTE = 5
# Of those that are alike, the owner reads no more among the latest.
ALIKE_SHOWN = 5
MOST_KEPT = 5_000
LONGEST_REASON = 200
LONGEST_DETAIL = 200
# Of a token's or an app's refused calls so many kinds are kept.
CALLS_KEPT = 50
CALL = "call"


class Reason(StrEnum):
    """Why a call with a known token was refused."""

    SCOPE = "scope"
    ADDRESS = "address"
    RESOURCE = "resource"
    EXPIRED = "expired"
    REVOKED = "revoked"
    PAUSED = "paused"
    WAITING = "waiting"
    TOO_MANY = "too_many"

    @property
    def status(self) -> int:
        """What the caller was answered, or would be by the API."""
        return _STATUS.get(self, 401)

    def told(self, detail: str = "") -> str:
        """The reason in words."""
        return _WORDS[self].format(detail=detail)


_STATUS = {Reason.SCOPE: 403, Reason.TOO_MANY: 429}
_WORDS = {
    Reason.SCOPE: "It lacks the scope {detail}",
    Reason.ADDRESS: "It came from an address outside the allowed ranges",
    Reason.RESOURCE: "It is for another API: {detail}",
    Reason.EXPIRED: "It had expired",
    Reason.REVOKED: "It was revoked",
    Reason.PAUSED: "It was paused by you",
    Reason.WAITING: "It waits for an administrator",
    Reason.TOO_MANY: "Too many calls in a minute",
}


class Refusal(Base):
    """One refused request of an app, or refused calls of a day that were alike.

    An app's holds nothing that was sent, and no address: that may be a user's. A developer token's has the address.
    """

    __tablename__ = "refusal"
    __table_args__ = (Index(None, "client_id", "id"), Index(None, "at"), Index(None, "token_id", "at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("rfs"))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    # Of a developer token, whose user it goes with.
    token_id: Mapped[str | None] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    request_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(default=stamp)
    # What a refused call was, how often it came, and from where.
    call: Mapped[str] = mapped_column(String(60), default="", server_default="")
    detail: Mapped[str] = mapped_column(String(LONGEST_DETAIL), default="", server_default="")
    times: Mapped[int] = mapped_column(default=1, server_default="1")
    address: Mapped[str] = mapped_column(String(45), default="", server_default="")


class Refused(Protocol):
    """A refused call as it is counted in memory."""

    @property
    def client_id(self) -> str | None: ...
    @property
    def token_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def day(self) -> int: ...
    @property
    def reason(self) -> Reason: ...
    @property
    def detail(self) -> str: ...
    @property
    def call(self) -> str: ...
    @property
    def address(self) -> str: ...


def record(client_id: str, endpoint: str, error: str, reason: str) -> None:
    """Keep a refusal of a client that exists; `endpoint` is authorize, token, revoke or introspect."""
    now, reason = clock.now(), reason[:LONGEST_REASON]
    told = (Refusal.client_id == client_id, Refusal.endpoint == endpoint, Refusal.error == error)
    numbers = select(func.count(), func.count(case((Refusal.reason == reason, 1))))
    number, alike = db.execute(numbers.where(*told, Refusal.at > now - timedelta(minutes=1))).one()
    if number >= MOST_A_MINUTE or alike >= ALIKE_A_MINUTE:
        return
    row = select(
        literal(new_id("rfs")),
        Client.id,
        literal(endpoint),
        literal(error),
        literal(reason),
        literal(origin.current.get().request_id),
        literal(now, UtcDateTime),
    ).where(Client.id == client_id)
    # Held, so that it is not deleted between the two halves of the statement.
    row = row.with_for_update(read=True, key_share=True)
    columns = ["id", "client_id", "endpoint", "error", "reason", "request_id", "at"]
    db.execute(insert(Refusal).from_select(columns, row, include_defaults=False))


def list_for(client: Client, limit: int = 50) -> list[Refusal]:
    """The latest refusals of a client, newest first; of those that are alike the latest few."""
    mine = (Refusal.client_id == client.id, Refusal.endpoint != CALL, Refusal.at > clock.now() - KEPT)
    alike = (Refusal.endpoint, Refusal.error, Refusal.reason)
    turn = func.row_number().over(partition_by=alike, order_by=Refusal.id.desc()).label("turn")
    ranked = select(Refusal.id, turn).where(*mine).subquery()
    shown = select(ranked.c.id).where(ranked.c.turn <= ALIKE_SHOWN)
    return list(db.scalars(select(Refusal).where(Refusal.id.in_(shown)).order_by(Refusal.id.desc()).limit(limit)))


def calls_of(*, token_id: str | None = None, client_id: str | None = None) -> list[Refusal]:
    """The latest refused calls of a developer token or an app, newest first."""
    whose = Refusal.client_id == client_id if client_id else Refusal.token_id == token_id
    mine = select(Refusal).where(whose, Refusal.endpoint == CALL, Refusal.at > clock.now() - KEPT)
    return list(db.scalars(mine.order_by(Refusal.at.desc(), Refusal.id).limit(CALLS_KEPT)))


def keep(connection: Connection, refused: Sequence[tuple[Refused, int, datetime]]) -> None:
    """Write refused calls that were counted in memory; users and clients are held. Of each only the latest stay."""
    rows: dict[str, dict[str, Any]] = {}
    for key, times, at in refused:
        row = _row(key, at)
        rows.setdefault(row["id"], row)["times"] += times
    if not rows:
        return
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Any = dialect.insert(Refusal)
    again = {"times": Refusal.times + statement.excluded.times, "at": statement.excluded.at}
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=again)
    connection.execute(statement, [rows[key] for key in sorted(rows)])
    for column in ("token_id", "client_id"):
        if whose := sorted({row[column] for row in rows.values() if row[column]}):
            connection.execute(_CROWDED[column], [{"whose": one} for one in whose])


def _row(key: Refused, at: datetime) -> dict[str, Any]:
    address = "" if key.client_id else key.address
    detail, call = key.detail[:LONGEST_DETAIL], key.call[:60]
    alike = "\n".join((key.client_id or str(key.token_id), str(key.day), key.reason, detail, call, address))
    return {
        "id": "rfs_" + hashlib.sha256(alike.encode()).hexdigest()[:28],
        "client_id": key.client_id,
        "token_id": None if key.client_id else key.token_id,
        "user_id": None if key.client_id else key.user_id,
        "endpoint": CALL,
        "error": key.reason,
        "reason": key.reason.told(detail)[:LONGEST_REASON],
        "request_id": "",
        "at": at,
        "call": call,
        "detail": detail,
        "times": 0,
        "address": address,
    }


def _crowding(column: str) -> Any:
    table = Refusal.__table__
    mine = (table.c[column] == bindparam("whose"), table.c.endpoint == CALL)
    last = select(table.c.at).where(*mine).order_by(table.c.at.desc()).offset(CALLS_KEPT - 1).limit(1)
    return delete(Refusal).where(*mine, table.c.at < last.scalar_subquery())


_CROWDED = {column: _crowding(column) for column in ("token_id", "client_id")}


def purge() -> bool:
    """Remove some of what is older than what owners are told, and of an app the oldest of too many.

    Whether there may be more.
    """
    if sweep(Refusal, Refusal.at < clock.now() - KEPT):
        return True
    crowded = select(Refusal.client_id).group_by(Refusal.client_id).having(func.count() > MOST_KEPT)
    for client_id in db.scalars(crowded).all():
        # By time: the ids of calls that were alike say nothing of when they were.
        newest = select(Refusal.at).where(Refusal.client_id == client_id).order_by(Refusal.at.desc())
        last = db.scalar(newest.offset(MOST_KEPT - 1).limit(1))
        if sweep(Refusal, Refusal.client_id == client_id, Refusal.at < last):
            return True
    return False

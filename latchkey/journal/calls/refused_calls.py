"""Calls that came with a token and were refused: counted in memory, written as a row a day for all that are alike."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from latchkey import clock
from latchkey.journal.refusals import CALL, KEPT, LONGEST_CALL, LONGEST_DETAIL, LONGEST_REASON, Refusal
from latchkey.store.session import db, insert_into

# How many rows of refused calls are kept of a token or an app.
CALLS_KEPT = 50


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
        """The status that the API answers with for this reason."""
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


class RefusedCall(NamedTuple):
    """One kind of refused call as it is counted in memory, for whom as in `Counted`."""

    client_id: str | None
    token_id: str | None
    user_id: str | None
    day: int
    reason: Reason
    detail: str
    call: str
    address: str


def latest_of(*, token_id: str | None = None, client_id: str | None = None) -> list[Refusal]:
    """The latest refused calls of a developer token or an app, newest first."""
    whose = Refusal.client_id == client_id if client_id else Refusal.token_id == token_id
    mine = select(Refusal).where(whose, Refusal.endpoint == CALL, Refusal.at > clock.now() - KEPT)
    return list(db.scalars(mine.order_by(Refusal.at.desc(), Refusal.id).limit(CALLS_KEPT)))


def keep(connection: Connection, refused: Sequence[tuple[RefusedCall, int, datetime]]) -> None:
    """Write refused calls that were counted in memory; users and clients are locked. Only the latest of each stay."""
    rows: dict[str, dict[str, Any]] = {}
    for key, times, at in refused:
        row = _row(key, at)
        rows.setdefault(row["id"], row)["times"] += times
    if not rows:
        return
    statement = insert_into(Refusal)
    again = {"times": Refusal.times + statement.excluded.times, "at": statement.excluded.at}
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=again)
    connection.execute(statement, [rows[key] for key in sorted(rows)])
    for column in ("token_id", "client_id"):
        if whose := sorted({row[column] for row in rows.values() if row[column]}):
            connection.execute(_CROWDED[column], [{"whose": one} for one in whose])


def _row(key: RefusedCall, at: datetime) -> dict[str, Any]:
    address = "" if key.client_id else key.address
    detail, call = key.detail[:LONGEST_DETAIL], key.call[:LONGEST_CALL]
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

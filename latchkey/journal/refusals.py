"""What was refused, with the reason in words, for whoever can mend it: never a code or a secret.

Requests of an app at the OAuth endpoints are one row each. Calls that came with a token are a row a day for all alike,
which `latchkey/journal/calls/refused_calls.py` writes.
"""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, func, insert, literal, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, ids, origin
from latchkey.clients import Client
from latchkey.store.session import Base, UtcDateTime, db, stamp
from latchkey.store.sweeping import sweep

KEPT = timedelta(days=30)
# Anybody can send a bad request in an app's name, so of those that are alike (endpoint, error and reason) only so many
# a minute are kept, and so many in all. There is no bound over all kinds: the reasons are our own texts, of which there
# are few, and refusals that strangers cause must not displace those that only the app can cause.
ALIKE_A_MINUTE = 5
ALIKE_KEPT = 50
KINDS_AT_A_TIME = 20
# What the owner is shown: the latest of so many kinds, and of the latest `LOOKED_AT` refusals so many of each kind.
ALIKE_SHOWN = 5
KINDS_SHOWN = 100
LOOKED_AT = 500
LONGEST_REASON = 200
LONGEST_DETAIL = 200
LONGEST_CALL = 60
# What stands for the endpoint where a call with a token was refused.
CALL = "call"


class Refusal(Base):
    """One refused request of an app, or refused calls of a day that were alike.

    An app's holds nothing that was sent, and no address: that may be a user's. A developer token's has the address.
    """

    __tablename__ = "refusal"
    __table_args__ = (
        Index(None, "client_id", "id"),
        Index(None, "at"),
        Index(None, "token_id", "at"),
        Index(None, "user_id", "at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: ids.new_id("rfs"))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    # Of a refused call with a developer token, and its user, with whose account the row goes.
    token_id: Mapped[str | None] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    endpoint: Mapped[str] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    request_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(default=stamp)
    # Of refused calls: which call, what was lacking, how often, and from where.
    call: Mapped[str] = mapped_column(String(LONGEST_CALL), default="", server_default="")
    detail: Mapped[str] = mapped_column(String(LONGEST_DETAIL), default="", server_default="")
    times: Mapped[int] = mapped_column(default=1, server_default="1")
    address: Mapped[str] = mapped_column(String(45), default="", server_default="")


# The columns by which refused requests of one app are alike.
_ALIKE = (Refusal.endpoint, Refusal.error, Refusal.reason)


def record(client_id: str, endpoint: str, error: str, reason: str) -> None:
    """Keep a refusal of a client that exists; `endpoint` is authorize, token, revoke or introspect."""
    now, reason = clock.now(), reason[:LONGEST_REASON]
    told = (Refusal.endpoint == endpoint, Refusal.error == error, Refusal.reason == reason)
    # Ids begin with the time: of thousands of a client only those of the last minute are looked at.
    lately = (Refusal.client_id == client_id, Refusal.id > ids.first("rfs", now - timedelta(minutes=1)))
    alike = select(func.count()).where(*lately, *told, Refusal.at > now - timedelta(minutes=1))
    if (db.scalar(alike) or 0) >= ALIKE_A_MINUTE:
        return
    row = select(
        literal(ids.new_id("rfs")),
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
    """The refusals of a client, newest first: of each kind the latest, and more of each up to the limit in all.

    So no kind hides another, however often it comes. Where there are too many kinds, those that come often give way.
    """
    mine = (Refusal.client_id == client.id, Refusal.endpoint != CALL, Refusal.at > clock.now() - KEPT)
    often, latest = func.count(), func.max(Refusal.id)
    kinds = db.scalars(select(latest).where(*mine).group_by(*_ALIKE).order_by(often, latest.desc()).limit(KINDS_SHOWN))
    shown, turns = set(kinds), Counter[tuple[str, ...]]()
    newest = select(Refusal.id, *_ALIKE).where(*mine).order_by(Refusal.id.desc()).limit(LOOKED_AT)
    for one, *kind in db.execute(newest):
        turns[tuple(kind)] += 1
        if turns[tuple(kind)] <= ALIKE_SHOWN and len(shown) < limit:
            shown.add(one)
    return list(db.scalars(select(Refusal).where(Refusal.id.in_(shown)).order_by(Refusal.id.desc())))


def purge() -> bool:
    """Remove some of what is older than what owners are told, and of an app's that are alike the oldest of too many.

    Whether there may be more.
    """
    if sweep(Refusal, Refusal.at < clock.now() - KEPT):
        return True
    ours = (Refusal.client_id.is_not(None), Refusal.endpoint != CALL)
    kinds = select(Refusal.client_id, *_ALIKE).where(*ours).group_by(Refusal.client_id, *_ALIKE)
    crowded = db.execute(kinds.having(func.count() > ALIKE_KEPT).limit(KINDS_AT_A_TIME)).all()
    for client_id, *kind in crowded:
        alike = [Refusal.client_id == client_id, *(column == value for column, value in zip(_ALIKE, kind, strict=True))]
        newest = select(Refusal.id).where(*alike).order_by(Refusal.id.desc())
        last = db.scalar(newest.offset(ALIKE_KEPT - 1).limit(1))
        # None: the app was deleted meanwhile, and these with it.
        if last is not None and sweep(Refusal, *alike, Refusal.id < last):
            return True
    return len(crowded) == KINDS_AT_A_TIME

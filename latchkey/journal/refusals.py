"""Requests of an app that were refused, with the reason in words, for the app's owner: never a code or a secret."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, delete, func, insert, literal, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, origin
from latchkey.clients import Client
from latchkey.ids import new_id
from latchkey.store.session import Base, UtcDateTime, db, stamp

KEPT = timedelta(days=30)
# Anybody can send a bad request in an app's name: past this many a minute they are counted nowhere.
MOST_A_MINUTE = 30
MOST_KEPT = 5_000
LONGEST_REASON = 200


class Refusal(Base):
    """One refused request. It holds nothing that the request sent, and no address: that may be a user's."""

    __tablename__ = "refusal"
    __table_args__ = (Index(None, "client_id", "id"), Index(None, "at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("rfs"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    endpoint: Mapped[str] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    request_id: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(default=stamp)


def record(client_id: str, endpoint: str, error: str, reason: str) -> None:
    """Keep a refusal of a client that exists; `endpoint` is authorize, token, revoke or introspect."""
    now = clock.now()
    lately = select(func.count()).where(Refusal.client_id == client_id, Refusal.at > now - timedelta(minutes=1))
    if (db.scalar(lately) or 0) >= MOST_A_MINUTE:
        return
    row = select(
        literal(new_id("rfs")),
        Client.id,
        literal(endpoint),
        literal(error),
        literal(reason[:LONGEST_REASON]),
        literal(origin.current.get().request_id),
        literal(now, UtcDateTime),
    ).where(Client.id == client_id)
    # Held, so that it is not deleted between the two halves of the statement.
    row = row.with_for_update(read=True, key_share=True)
    columns = ["id", "client_id", "endpoint", "error", "reason", "request_id", "at"]
    db.execute(insert(Refusal).from_select(columns, row, include_defaults=False))


def list_for(client: Client, limit: int = 50) -> list[Refusal]:
    """The latest refusals of a client, newest first."""
    statement = select(Refusal).where(Refusal.client_id == client.id, Refusal.at > clock.now() - KEPT)
    return list(db.scalars(statement.order_by(Refusal.id.desc()).limit(limit)))


def purge() -> None:
    """Remove what is older than what owners are told, and of an app the oldest of too many."""
    db.execute(delete(Refusal).where(Refusal.at < clock.now() - KEPT))
    crowded = select(Refusal.client_id).group_by(Refusal.client_id).having(func.count() > MOST_KEPT)
    for client_id in db.scalars(crowded).all():
        newest = select(Refusal.id).where(Refusal.client_id == client_id).order_by(Refusal.id.desc())
        last = db.scalar(newest.offset(MOST_KEPT - 1).limit(1))
        db.execute(delete(Refusal).where(Refusal.client_id == client_id, Refusal.id < last))

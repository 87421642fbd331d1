"""Requests that make something and may be sent again: each Idempotency-Key counts once in 24 hours."""

import json
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary, String, Text, delete
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials
from latchkey.store.session import Base, db, insert_into
from latchkey.store.sweeping import sweep

KEPT = timedelta(hours=24)
LONGEST = 255


class KeyReused(Exception):
    """The key came before with another request."""


class SentBefore(Exception):
    """The request came before and was carried out; `.made` is the id of what it made, `.answer` what it was told.

    The answer is None when it held a credential, which is never told again.
    """

    def __init__(self, made: str, answer: str | None) -> None:
        super().__init__("this request came before")
        self.made, self.answer = made, answer


class Request(Base):
    """A request that was carried out under a key. It lives and dies in the transaction of what it made."""

    __tablename__ = "idempotent_request"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    made: Mapped[str] = mapped_column(String(40))
    answer: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def begin(caller: str, key: str, content: str) -> bytes:
    """Take a caller's key for a request, to be handed to `finish`. Another request with it waits for this one's end.

    Raises `KeyReused`, `SentBefore`.
    """
    name, fingerprint, now = credentials.digest(f"{caller}\n{key}"), credentials.digest(content), clock.now()
    db.execute(delete(Request).where(Request.key == name, Request.expires_at <= now))
    values = {"key": name, "fingerprint": fingerprint, "made": "", "answer": None, "expires_at": now + KEPT}
    if db.scalar(insert_into(Request).values(values).on_conflict_do_nothing().returning(Request.key)) is not None:
        return name
    before = db.get_one(Request, name, populate_existing=True)
    if not credentials.matches(content, before.fingerprint):
        raise KeyReused
    raise SentBefore(before.made, before.answer)


def finish(name: bytes, made: str, answer: dict[str, object] | None) -> None:
    """Keep what the request made, and what it was told unless that held a credential."""
    record = db.get_one(Request, name)
    record.made, record.answer = made, None if answer is None else json.dumps(answer)
    db.flush()


def purge() -> bool:
    """Remove some whose keys may be used anew; whether there may be more."""
    return sweep(Request, Request.expires_at <= clock.now())

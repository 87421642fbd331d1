"""The record of an app's own keys: pasted, or at an address of its own; and which assertions were used."""

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, delete, exists, literal, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock
from latchkey.accounts.throttle import TooMany
from latchkey.clients.keys.sets import Jwk
from latchkey.clients.record import Client
from latchkey.store.session import Base, UtcDateTime, db, engines, insert_into, stamp
from latchkey.store.sweeping import sweep

LONGEST_URL = 500
# In seconds: until some of too many assertions are over.
OVER = 60


class ClientKeys(Base):
    """The public keys by which an app proves itself, in place of a secret."""

    __tablename__ = "client_keys"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    keys: Mapped[list[Jwk]] = mapped_column(JSON)
    # Where they stand; None: they were pasted, and hold until others are.
    url: Mapped[str | None] = mapped_column(String(LONGEST_URL))
    changed_at: Mapped[datetime] = mapped_column(default=stamp)
    # When the address was read last, until when that holds, and when it was asked last, whatever it said.
    read_at: Mapped[datetime | None]
    fresh_until: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]


class UsedAssertion(Base):
    """The `jti` of an assertion that was taken, until it would not be taken any more."""

    __tablename__ = "used_assertion"

    # No foreign key: what an app that is gone has used goes with the next purge.
    client_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def find(client_id: str) -> ClientKeys | None:
    """The keys of an app, by the id that it is kept by."""
    return db.get(ClientKeys, client_id, populate_existing=True)


def unread(client_id: str) -> bool:
    """Whether the keys of an app stand at an address that was never read."""
    found = find(client_id)
    return found is not None and found.url is not None and found.read_at is None


def end(client_id: str) -> bool:
    """Let no key of an app open anything any more, wherever they stood; whether one did."""
    found = find(client_id)
    if found is None or not (found.keys or found.url):
        return False
    found.keys, found.url, found.changed_at = [], None, clock.now()
    db.flush()
    return True


def claim(client_id: str, every: timedelta) -> bool:
    """Whether it is for this worker to ask an app's address: one in so long, of all processes and hosts."""
    now = clock.now()
    late = or_(ClientKeys.asked_at.is_(None), ClientKeys.asked_at <= now - every)
    with engines().write.begin() as connection:
        claimed = update(ClientKeys).where(ClientKeys.client_id == client_id, late).values(asked_at=now)
        return connection.execute(claimed).rowcount == 1


def asked(client_id: str, at: datetime | None) -> None:
    """Say when an app's address was asked last, for whoever claimed it and is told nothing."""
    with engines().write.begin() as connection:
        connection.execute(update(ClientKeys).where(ClientKeys.client_id == client_id).values(asked_at=at))


def keep(client_id: str, url: str, keys: list[Jwk], lasting: timedelta) -> None:
    """What stands at the address of an app, if that is still its address and nobody pinned what it has."""
    now = clock.now()
    values = {"keys": keys, "read_at": now, "fresh_until": now + lasting}
    pinned = exists().where(Client.id == client_id, Client.document_pinned_at.is_not(None))
    with engines().write.begin() as connection:
        same = (ClientKeys.client_id == client_id, ClientKeys.url == url, ~pinned)
        connection.execute(update(ClientKeys).where(*same).values(**values))


class KeysGone(Exception):
    """The keys by which an app was found to prove itself are not its keys any more."""


def use(client_id: str, digest: bytes, until: datetime, *, most: int, of: datetime) -> bool:
    """Whether an assertion is used for the first time, in any worker. Raises `TooMany` past so many that are not over.

    `of` is when the keys that it was checked by became the app's: asking for them may have taken seconds, so raises
    `KeysGone` if others did since. In a transaction of its own, so it comes before whatever else its request writes.
    """
    now = clock.now()
    used = UsedAssertion.client_id == client_id
    with engines().write.begin() as connection:
        connection.execute(delete(UsedAssertion).where(used, UsedAssertion.expires_at <= now))
        many = select(literal(1)).select_from(UsedAssertion).where(used).offset(most - 1).limit(1).scalar_subquery()
        facts = select(ClientKeys.changed_at, many.label("full")).where(ClientKeys.client_id == client_id)
        now_theirs = connection.execute(facts).one_or_none()
        if now_theirs is None or now_theirs.changed_at != of:
            raise KeysGone
        if now_theirs.full is not None:
            raise TooMany(OVER)
        values = {"client_id": client_id, "digest": digest, "expires_at": until}
        fresh = insert_into(UsedAssertion).values(**values).on_conflict_do_nothing().returning(UsedAssertion.client_id)
        return connection.execute(fresh).one_or_none() is not None


def purge() -> bool:
    """Remove some of what would not be taken any more; whether there may be more."""
    return sweep(UsedAssertion, UsedAssertion.expires_at < clock.now())

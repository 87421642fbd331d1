"""The chain over the activity of all accounts: its records, and its key, which the database holds sealed alone.

Each link holds a keyed digest of one event and is bound to the link before it, so that nobody who can write the
database alone changes, removes or puts in an event without a trace. What a link holds tells nobody without the key
whose event it was. Of the key the database has what only the secret key opens, so that all hosts share it and it
outlives a rotation.
"""

import hmac
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials, vault
from latchkey.ids import new_id
from latchkey.store.session import Base, db, stamp

SEALED_AS = "chain"
START = bytes(32)
EVERY_KIND = ""


class Head(Base):
    """The one row that says where the chain ends, and up to where it was sealed: what stood before is removed."""

    __tablename__ = "chain_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed_key: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed_to: Mapped[int] = mapped_column(BigInteger)
    sealed_mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    proof: Mapped[bytes] = mapped_column(LargeBinary(32))

    def expected(self, key: bytes) -> bytes:
        """What `proof` must be."""
        return keyed(key, "head", self.seq, self.mac, self.sealed_to, self.sealed_mac)


class Link(Base):
    """One closed entry. It stays when its event is purged or goes with its account."""

    __tablename__ = "chain_link"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(String(40), unique=True)
    owner: Mapped[bytes] = mapped_column(LargeBinary(32))
    kind: Mapped[str] = mapped_column(String(60))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))


class Gap(Base):
    """Events that are rightly gone: those of an owner, all or of one kind, up to an id."""

    __tablename__ = "chain_gap"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("gap"))
    owner: Mapped[bytes] = mapped_column(LargeBinary(32))
    kind: Mapped[str] = mapped_column(String(60))
    before: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(default=stamp, index=True)
    proof: Mapped[bytes] = mapped_column(LargeBinary(32))

    def expected(self, key: bytes) -> bytes:
        """What `proof` must be."""
        return keyed(key, "gap", self.owner, self.kind, self.before)


def new_key() -> str:
    """A new key, sealed."""
    return vault.seal_as(SEALED_AS, credentials.opaque())


@lru_cache(maxsize=8)
def _opened(sealed: str, _keys: tuple[str, ...]) -> bytes | None:
    text = vault.unseal_as(SEALED_AS, sealed)
    return None if text is None else text.encode()


def key_of(head: Head) -> bytes | None:
    """The key that closes the chain; None if no secret key of this host opens it."""
    return _opened(head.sealed_key, tuple(vault.keys()))


def keyed(key: bytes, *parts: object) -> bytes:
    """An HMAC over these, told apart from each other."""
    plain = [part.hex() if isinstance(part, bytes) else part for part in parts]
    return hmac.digest(key, json.dumps(plain).encode(), "sha256")


def owner_mark(key: bytes, user_id: str) -> bytes:
    """What names a user in the chain."""
    return keyed(key, "owner", user_id)


def digest_of(key: bytes, event: Sequence[Any]) -> bytes:
    """The digest of an event, given as the values of all its columns that the chain covers."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in event]
    return keyed(key, "event", sha256(json.dumps(plain, sort_keys=True).encode()).digest())


def mac_of(key: bytes, before: bytes, link: Link) -> bytes:
    """What binds a link to the one before it."""
    return keyed(key, "link", before, link.seq, link.event_id, link.owner, link.kind, link.digest)


def id_of(moment: datetime) -> str:
    """What ids of events from that moment on are not less than."""
    return f"evt_{int(moment.timestamp() * 1000):012x}"


def leave_gap(user_id: str, *, kind: str = EVERY_KIND, before: str | None = None) -> None:
    """Say that events of a user are rightly gone, in the transaction that removes them: by default all until now."""
    head = db.scalar(select(Head))
    key = key_of(head) if head is not None else None
    if key is None:
        # Nothing was closed yet, or nothing can be said about it here.
        return
    last = before or id_of(clock.now() + timedelta(milliseconds=1))
    gap = Gap(owner=owner_mark(key, user_id), kind=kind, before=last, at=clock.now())
    gap.proof = gap.expected(key)
    db.add(gap)
    db.flush()

"""What an authenticator signs to show that it is there now: for one purpose, in one browser, once, for ten minutes.

Nothing is kept until one was answered well, so that strangers fill no table: the page carries it, sealed.
"""

import base64
import json
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials, vault
from latchkey.store.session import Base, db, insert_into
from latchkey.store.sweeping import sweep

LIFETIME = timedelta(minutes=10)
LONGEST_SEALED = 2000
SEALED_AS = "challenge"


class Purpose(StrEnum):
    """What an answer is for; one for another purpose is none."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    PROOF = "proof"
    REGISTER = "register"


class Challenge(NamedTuple):
    """The random bytes, and what the page carries."""

    random: bytes
    sealed: str


class SpentChallenge(Base):
    """One that was answered well, until it would not count any more by its age."""

    __tablename__ = "spent_challenge"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


def issue(purpose: Purpose, bound: str) -> Challenge:
    """A new one; `bound` names the session, the step of sign-in or the browser that alone may answer it."""
    random = secrets.token_bytes(32)
    text = json.dumps([purpose, bound, base64.b64encode(random).decode(), clock.now().timestamp()])
    return Challenge(random, vault.seal_as(SEALED_AS, text))


def read(sealed: str, purpose: Purpose, bound: str) -> bytes | None:
    """The bytes of one that counts here and now."""
    opened = vault.unseal_as(SEALED_AS, sealed) if len(sealed) <= LONGEST_SEALED else None
    if opened is None:
        return None
    made_for, bound_to, random, at = json.loads(opened)
    fresh = at > (clock.now() - LIFETIME).timestamp()
    return base64.b64decode(random) if fresh and (made_for, bound_to) == (purpose, bound) else None


def spend(random: bytes, lifetime: timedelta = LIFETIME) -> bool:
    """Use one up that counts no longer than this; whether it was not used before."""
    once = insert_into(SpentChallenge).values(
        digest=credentials.digest(base64.b64encode(random).decode()), expires_at=clock.now() + lifetime
    )
    return db.scalar(once.on_conflict_do_nothing().returning(SpentChallenge.digest)) is not None


def purge() -> bool:
    """Remove some of those that are too old to be answered again; whether there may be more."""
    return sweep(SpentChallenge, SpentChallenge.expires_at < clock.now())

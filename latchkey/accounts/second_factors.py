"""Authenticator apps and recovery codes: what somebody shows beside the password (L-11)."""

import base64
import hmac
import re
import secrets
from datetime import datetime

import pyotp
from cryptography.fernet import InvalidToken
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, Text, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials, settings, vault
from latchkey.accounts import passkeys
from latchkey.accounts.sessions import How
from latchkey.accounts.users import User
from latchkey.store.drivers.within import Within
from latchkey.store.session import Base, affected, db, stamp

PERIOD = 30
# How many steps the clock of a phone may be ahead or behind.
SKEW = 1
CODES = 10
# 80 random bits are 16 letters of five bits each.
CODE_BYTES = 10
LONGEST_TYPED = 64
SEALED_AS = "totp"
FROM_APP = re.compile(r"[0-9]{6}", re.ASCII)


class Authenticator(Base):
    """The app that makes a user's codes."""

    __tablename__ = "authenticator"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    sealed_key: Mapped[str] = mapped_column(Text)
    # The period of the code that was taken last: neither it nor one before counts again.
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """One of the codes for the day when the phone is gone, by its digest."""

    __tablename__ = "recovery_code"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    used_at: Mapped[datetime | None]


def find(user: User) -> Authenticator | None:
    """The authenticator app of a user, as stored now."""
    statement = select(Authenticator).where(Authenticator.user_id == user.id)
    return db.scalar(statement.execution_options(populate_existing=True))


def protects(user: User) -> bool:
    """Whether the password alone opens nothing."""
    [(protected,)] = _PROTECTED.all(user=user.id)
    return bool(protected)


_PROTECTED = Within(
    select(
        or_(
            select(Authenticator.user_id).where(Authenticator.user_id == bindparam("user")).exists(),
            select(passkeys.Passkey.id).where(passkeys.Passkey.user_id == bindparam("user")).exists(),
        )
    )
)


def owes_setup(user: User, *, how: str = How.UNKNOWN, to_administer: bool = False) -> bool:
    """Whether a user has to set up a second factor before anything else, or before administering.

    Not in a session for which the upstream asked for one.
    """
    asked = settings.current().require_second_factor
    wanted = asked in (("everybody", "administrators") if to_administer else ("everybody",))
    return wanted and how != How.UPSTREAM_FACTOR and not protects(user)


def new_key() -> str:
    """160 random bits, as apps take them."""
    return pyotp.random_base32()


def uri(key: str, user: User, issuer: str) -> str:
    """What the QR code says."""
    return pyotp.TOTP(key).provisioning_uri(name=user.email, issuer_name=issuer)


def _step_of(key: str, code: str, after: int) -> int | None:
    """The period that a code belongs to, later than `after`, if it is one of those that count now."""
    now = int(clock.now().timestamp()) // PERIOD
    totp, found = pyotp.TOTP(key), None
    for step in range(now - SKEW, now + SKEW + 1):
        if hmac.compare_digest(totp.at(step * PERIOD), code) and step > after:
            found = step
    return found


def from_app(typed: str) -> bool:
    """Whether something typed has the form of an app's code: few enough that they could be guessed."""
    return FROM_APP.fullmatch(_tidy(typed)) is not None


def _tidy(typed: str) -> str:
    return "".join(typed[:LONGEST_TYPED].split()).replace("-", "").lower()


def set_up(user: User, key: str, typed: str) -> bool:
    """Take an app whose key the user was shown, if the code shows that it works. The user is locked.

    It replaces the one before. A key is taken once: who sends the form again, with the same code, changes nothing.
    """
    before = find(user)
    if before is not None and hmac.compare_digest(_key(before), key):
        return False
    step = _step_of(key, _tidy(typed), 0)
    if step is None:
        return False
    db.execute(delete(Authenticator).where(Authenticator.user_id == user.id))
    db.add(Authenticator(user_id=user.id, sealed_key=vault.seal_as(SEALED_AS, key), last_step=step))
    db.flush()
    return True


def _key(authenticator: Authenticator) -> str:
    key = vault.unseal_as(SEALED_AS, authenticator.sealed_key)
    if key is None:
        raise InvalidToken
    return key


def make_codes(user: User) -> list[str]:
    """Ten new recovery codes, known only now; those before stop working. The user is locked."""
    db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower() for _ in range(CODES)]
    db.add_all(RecoveryCode(digest=credentials.digest(code), user_id=user.id) for code in codes)
    db.flush()
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def codes_left(user: User) -> int:
    """How many recovery codes a user has not used."""
    unused = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.scalar(unused) or 0


def spend(user: User, typed: str) -> bool:
    """Use up a code of the app or a recovery code; whether it was one. The user is locked."""
    code = _tidy(typed)
    now = clock.now()
    if not FROM_APP.fullmatch(code):
        fresh = (RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
        spent = update(RecoveryCode).where(RecoveryCode.digest == credentials.digest(code), *fresh).values(used_at=now)
        return affected(spent) == 1
    app = find(user)
    step = _step_of(_key(app), code, app.last_step) if app is not None else None
    if step is None:
        return False
    once = update(Authenticator).where(Authenticator.user_id == user.id, Authenticator.last_step < step)
    return affected(once.values(last_step=step, last_used_at=now)) == 1


def forget_codes(user: User) -> None:
    """No recovery code works any more. The user is locked."""
    db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def remove_app(user: User) -> bool:
    """Take the authenticator app off; whether there was one. The user is locked."""
    return affected(delete(Authenticator).where(Authenticator.user_id == user.id)) == 1

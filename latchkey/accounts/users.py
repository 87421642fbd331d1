"""People with an account: OAuth's resource owners."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import String, bindparam, delete, select, text, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, endings, settings
from latchkey.accounts import emails, passwords
from latchkey.ids import new_id
from latchkey.naming import names
from latchkey.store.conflicts import Gone
from latchkey.store.drivers.within import Found, Locked
from latchkey.store.session import Base, db, some, stamp

LONGEST_NAME = 80


class EmailTaken(Exception):
    """Another user has this address."""


class UserGone(Gone):
    """The user was deleted or suspended meanwhile."""


# Written exactly as in the partial index of administrators, or SQLite does not use it.
IS_ADMIN = text('"user".is_admin')
FALLEN_TOGETHER = "lower(email) <> email_key"


class User(Base):
    """A person; tokens, apps and authorizations belong to one and go with them."""

    __tablename__ = "user"
    # Partial indexes for the operator's lists of a few users among many.
    __table_args__ = (
        some("ix_user_admins", "id", where="is_admin"),
        some("ix_user_fallen_together", "id", where=FALLEN_TOGETHER),
        some("ix_user_suspended", "id", where="disabled_at IS NOT NULL"),
        some("ix_user_unverified", "id", where="email_verified_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("usr"))
    email: Mapped[str] = mapped_column(String(emails.LONGEST))
    email_key: Mapped[str] = mapped_column(String(emails.LONGEST), unique=True)
    email_verified_at: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    password_hash: Mapped[str] = mapped_column(String(200))
    password_changed_at: Mapped[datetime] = mapped_column(default=stamp)
    is_admin: Mapped[bool] = mapped_column(default=False)
    # Incremented whenever earlier proofs stop counting: a new password, a first second factor, a suspension.
    epoch: Mapped[int] = mapped_column(default=0, server_default="0")
    # Whether the user wants reminders before tokens end, and when the last one was sent.
    reminders: Mapped[bool] = mapped_column(default=True, server_default=true())
    reminded_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    # Since when the user has paused everything that acts for them.
    paused_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    updated_at: Mapped[datetime] = mapped_column(default=stamp)

    @property
    def needs_password(self) -> bool:
        """Whether the password was ended and no other was chosen yet."""
        return self.password_hash == passwords.ENDED and settings.current().passwords == "on"

    @property
    def verified(self) -> bool:
        """Whether the address was proved to be theirs; without it no credential is made."""
        return self.email_verified_at is not None


_EITHER = [bindparam(name, type_=String) for name in ("kept", "typed")]
_SPELT = Found(User, select(User).where(User.email_key.in_(_EITHER)))
# FOR NO KEY UPDATE, since FOR UPDATE would wait for every transaction that writes a row with a reference to the user.
_HELD = Locked(User, select(User).where(User.id == bindparam("key")).with_for_update(key_share=True))


def sign_up(
    *, email: str, name: str, password: str | None, verified: bool = False, admin: bool = False, judged: bool = False
) -> User:
    """Make an account. `judged`: the form has checked the password already. Without a password there are other ways in.

    Raises `emails.InvalidEmail`, `texts.BadText`, `WeakPassword`, and `EmailTaken` after equal work.
    """
    email, name = emails.address(email), names.check(name, LONGEST_NAME, ours=admin)
    if password is not None and not judged:
        passwords.check(password, known=(email, name))
    hashed = passwords.NONE if password is None else passwords.hash(password)
    user = User(email=email, email_key=emails.key(email), name=name, password_hash=hashed, is_admin=admin)
    user.email_verified_at = clock.now() if verified else None
    try:
        with db.begin_nested():
            db.add(user)
    except IntegrityError:
        raise EmailTaken from None
    return user


def find_by_email(email: str) -> User | None:
    """The user of an address, however it is spelt."""
    try:
        kept = emails.address(email)
    except emails.InvalidEmail:
        return None
    found = _SPELT.all(kept=kept.lower(), typed=(typed := email.strip().lower()))
    # If normalisation made two addresses equal, one account kept its exact spelling, and whoever types that means it.
    return max(found, key=lambda user: user.email_key == typed, default=None)


@contextmanager
def alike(user: User | None) -> Iterator[User]:
    """The user, or a dummy user, so that timing does not reveal whether the account exists (L-04)."""
    if user is not None:
        yield user
        return
    work, nobody = db.begin_nested(), new_id("usr")
    try:
        dummy = User(id=nobody, email="nobody@localhost", email_key=nobody, name="nobody", password_hash="")
        db.add(dummy)
        db.flush()
        yield dummy
    finally:
        work.rollback()


def find(user_id: str) -> User | None:
    return db.get(User, user_id)


def every() -> list[User]:
    """Every user, in the order in which they were made."""
    return list(db.scalars(select(User).order_by(User.id)))


def lock(user_id: str) -> User | None:
    """The user as stored now, locked until the commit; None if there is none.

    Whatever makes a credential begins with it: before or after a lockdown, never beside. Users, then what is theirs.
    """
    return _HELD.one(user_id)


def hold(user_id: str) -> User:
    """Like `lock`, for making something for a user. Raises `UserGone` if the user is gone or suspended."""
    user = lock(user_id)
    if user is None or user.disabled_at is not None:
        raise UserGone
    return user


def authenticate(user: User | None, password: str) -> User | None:
    """The user, if this is their password and they are not disabled. Takes as long for nobody (L-04)."""
    right = passwords.verify(user.password_hash if user else None, password)
    return user if user is not None and right and user.disabled_at is None else None


def verify_email(user: User, email: str) -> None:
    """Take an address as proved. It replaces the one before when it is another. Raises `EmailTaken`."""
    try:
        with db.begin_nested():
            user.email, user.email_key = email, emails.key(email)
            user.email_verified_at = user.updated_at = clock.now()
            endings.note(endings.Kind.USER, user.id)
    except IntegrityError:
        raise EmailTaken from None


def confirm_email(user: User) -> None:
    """Take a user's present address as proved."""
    user.email_verified_at = user.updated_at = clock.now()
    db.flush()


def rename(user: User, name: str) -> None:
    """Give a user another name. Raises `texts.BadText`."""
    user.name = names.check(name, LONGEST_NAME, ours=user.is_admin)
    user.updated_at = clock.now()
    db.flush()


def set_reminders(user: User, *, on: bool) -> None:
    """Turn reminders before tokens end on or off."""
    user.reminders = on
    db.flush()


def prepare_password(user: User, password: str) -> str:
    """The hash of a user's next password, made before anything is written. Raises `WeakPassword`, `TooMany`."""
    return passwords.prepare(password, known=(user.email, user.name), whose=user.id)


def store_password(user: User, prepared: str) -> None:
    """Give a user another password, of which `prepare_password` made the hash."""
    user.password_hash = prepared
    user.password_changed_at = clock.now()
    user.epoch += 1
    db.flush()


def outdate(user: User) -> None:
    """Let earlier proofs stop counting. The caller has locked the user."""
    user.epoch += 1
    db.flush()


def disable(user: User) -> None:
    """Suspend a user: everything that acts for them is refused from the next request on."""
    lock(user.id)
    endings.note(endings.Kind.USER, user.id)
    db.execute(update(User).where(User.id == user.id).values(disabled_at=clock.now(), epoch=User.epoch + 1))
    db.refresh(user)


def enable(user: User) -> None:
    """End a suspension."""
    lock(user.id)
    db.execute(update(User).where(User.id == user.id).values(disabled_at=None))
    db.refresh(user)


def remove(user: User) -> None:
    """Delete a user and all that is theirs; the database's foreign keys take the rest along."""
    endings.note(endings.Kind.USER, user.id)
    db.execute(delete(User).where(User.id == user.id))
    db.expunge(user)

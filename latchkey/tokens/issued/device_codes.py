"""Device codes (RFC 8628): kept as digests, bound to whoever typed their user code, redeemed once."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, bindparam, case, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clients, clock, credentials, origin
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.store.drivers.transactions import transaction
from latchkey.store.prepared import PreparedSelect, PreparedWrite
from latchkey.store.session import Base, UtcDateTime, db, stamp
from latchkey.store.sweeping import AT_A_TIME, sweep
from latchkey.tokens.issued import issuing

LIFETIME = timedelta(minutes=10)
# How long a code lives on after the user has answered, so that the device still has time to ask.
AFTER_DECISION = timedelta(minutes=1)
INTERVAL, MOST_INTERVAL = 5, 60
# Tolerance for the delay of the network, so that a device that keeps the interval is not told to slow down.
LEEWAY = timedelta(seconds=1)
# Unanswered codes of one app; one more removes the oldest.
MOST = 5_000
TRIES = 5


class DeviceCode(Base):
    """One device that asks to be signed in. Once its code was typed, it is that person's alone to answer."""

    __tablename__ = "device_code"
    __table_args__ = (Index(None, "client_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("dvc"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_code: Mapped[str] = mapped_column(String(8), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(4000))
    # The resources that the app asked for; None: those that its scopes belong to.
    resource: Mapped[str | None] = mapped_column(Text)
    # The address that the device asked from, which its user compares with their own.
    address: Mapped[str] = mapped_column(String(45))
    interval: Mapped[int]
    polled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # The user who typed the code, their session, and what was shown to them.
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[str | None] = mapped_column(String(40))
    handle: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    shown_scope: Mapped[str] = mapped_column(String(4000), default="")
    optional_scope: Mapped[str] = mapped_column(String(4000), default="")
    version: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None] = mapped_column(String(8))
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("grant.id", ondelete="CASCADE"), index=True)
    consumed_at: Mapped[datetime | None]

    @property
    def shown_code(self) -> str:
        """The user code as people read it."""
        return shown(self.user_code)


class Begun(NamedTuple):
    """The codes for a device: the plaintexts, which exist only here."""

    device_code: str
    user_code: str


class Question(NamedTuple):
    """The consent screen for a device: what is shown, and the handle of its form."""

    handle: str
    scope: str
    optional_scope: str
    version: str


class Found(NamedTuple):
    """A device code that was presented, a consumed one too, with the facts that decide about it."""

    code_id: str
    client_id: str
    interval: int
    decision: str | None
    consumed: bool
    expired: bool
    orphaned: bool
    user_id: str | None
    grant_id: str | None
    grant_expires_at: datetime
    scope: str
    resource: str | None

    def get_client_id(self) -> str:
        """The app that it was issued to."""
        return self.client_id


def shown(user_code: str) -> str:
    """A user code as people read it."""
    return f"{user_code[:4]}-{user_code[4:]}"


def typed(text: str) -> str | None:
    """The user code that somebody means: case, dashes and spaces do not matter. None when it cannot be one."""
    if len(text) > 40 or not text.isascii():
        return None
    code = text.upper().replace("-", "").replace(" ", "")
    return code if credentials.USER_CODE.fullmatch(code) else None


_now: Any = bindparam("now", type_=UtcDateTime)
_agreed_in = issuing.asked_in(DeviceCode, DeviceCode.session_id)
_found = PreparedSelect(
    "FoundDevice",
    select(
        DeviceCode.id.label("code_id"),
        DeviceCode.client_id,
        DeviceCode.interval,
        DeviceCode.decision,
        DeviceCode.consumed_at.is_not(None).label("consumed"),
        # A suspension ends what an app had asked for, also when it is lifted.
        or_(DeviceCode.expires_at <= _now, Client.last_suspended_at >= DeviceCode.created_at).label("expired"),
        or_(
            Grant.id.is_(None),
            Grant.ended_at.is_not(None),
            Grant.expires_at <= _now,
            User.disabled_at.is_not(None),
            # C-10: a new password ends what was agreed to before it.
            User.password_changed_at > DeviceCode.decided_at,
            ~_agreed_in,
        ).label("orphaned"),
        DeviceCode.user_id,
        DeviceCode.grant_id,
        Grant.expires_at.label("grant_expires_at"),
        Grant.scope,
        Grant.resource,
    )
    .select_from(DeviceCode)
    .join(Client, Client.id == DeviceCode.client_id)
    .outerjoin(Grant, Grant.id == DeviceCode.grant_id)
    .outerjoin(User, User.id == DeviceCode.user_id)
    .where(DeviceCode.digest == bindparam("digest")),
    row=Found,
)
_poll = PreparedWrite(
    update(DeviceCode)
    .where(
        DeviceCode.id == bindparam("code_id"),
        or_(DeviceCode.polled_at.is_(None), DeviceCode.polled_at <= bindparam("due", type_=UtcDateTime)),
    )
    .values(polled_at=_now)
)
_slow = PreparedWrite(
    update(DeviceCode)
    .where(DeviceCode.id == bindparam("code_id"))
    .values(
        polled_at=_now,
        interval=case((DeviceCode.interval < MOST_INTERVAL, DeviceCode.interval + INTERVAL), else_=MOST_INTERVAL),
    )
)
_consume = issuing.for_both(
    update(DeviceCode)
    .where(
        DeviceCode.id == bindparam("code_id"),
        DeviceCode.consumed_at.is_(None),
        DeviceCode.decision == "allow",
        _agreed_in,
        issuing.held,
    )
    .values(consumed_at=_now)
)


def begin(client_id: str, scope: str, resource: str | None) -> Begun:
    """A new pair of codes, for ten minutes. Raises `clients.ClientGone`."""
    clients.share(client_id)
    plaintext, now = credentials.generate(Kind.DEVICE), clock.now()
    for _ in range(TRIES):
        user_code = credentials.user_code()
        try:
            with db.begin_nested():
                db.add(
                    DeviceCode(
                        digest=credentials.digest(plaintext),
                        user_code=user_code,
                        client_id=client_id,
                        scope=scope,
                        resource=resource,
                        address=origin.current.get().address,
                        interval=INTERVAL,
                        created_at=now,
                        expires_at=now + LIFETIME,
                    )
                )
        except IntegrityError:
            continue
        _limit(client_id)
        return Begun(plaintext, user_code)
    raise RuntimeError("no user code is free")


def _limit(client_id: str) -> None:
    open_ones = select(DeviceCode.id).where(DeviceCode.client_id == client_id, DeviceCode.decided_at.is_(None))
    newest = open_ones.order_by(DeviceCode.created_at.desc(), DeviceCode.id.desc())
    if outdated := list(db.scalars(newest.offset(MOST))):
        db.execute(delete(DeviceCode).where(DeviceCode.id.in_(outdated)))


def find(plaintext: str) -> Found | None:
    """The device code that this is; a consumed one too, so that its replay is recognised."""
    if credentials.kind_of(plaintext) is not Kind.DEVICE:
        return None
    found: Found | None = _found.one(digest=credentials.digest(plaintext), now=clock.now())
    return found


def keeps_pace(code: Found) -> bool:
    """Note that a device asks whether it was answered; whether it waited as long as it was told to (RFC 8628 §3.5)."""
    now = clock.now()
    with transaction() as connection:
        due = now - timedelta(seconds=code.interval) + LEEWAY
        if _poll.run(connection, {"code_id": code.code_id, "now": now, "due": due}):
            return True
        _slow.run(connection, {"code_id": code.code_id, "now": now})
        return False


def exchange(code: Found, under: issuing.Under) -> issuing.Issued | None:
    """Use a code up and issue tokens for it, in one transaction, for one caller (C-06); None if it was used before."""
    return issuing.exchange(_consume, {"code_id": code.code_id, "now": clock.now()}, under, code.scope)


def purge() -> bool:
    """Remove some old codes, and sign-ins that no device went on with; whether there may be more."""
    old = select(DeviceCode.id, DeviceCode.grant_id).where(DeviceCode.expires_at < clock.now() - timedelta(days=1))
    found = db.execute(old.limit(AT_A_TIME)).all()
    if found:
        issuing.remove_unused(row.grant_id for row in found)
        sweep(DeviceCode, DeviceCode.id.in_([row.id for row in found]))
    return len(found) == AT_A_TIME

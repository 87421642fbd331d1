"""Browser sessions: who is signed in where, kept here so that ending one really ends it."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Integer, LargeBinary, String, Text, and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from latchkey import clock, credentials, origin
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.store.drivers import within
from latchkey.store.drivers.within import Found, Within
from latchkey.store.session import Base, UtcDateTime, affected, db, some, stamp
from latchkey.store.sweeping import sweep

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
RECENT = timedelta(minutes=15)
# A session that was opened by upstream sign-in ends this long after it: the upstream is asked again.
CONFIRMED = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
LONGEST_SID = 255
# Sessions of one user; one more removes the oldest.
MOST = 100
# `authenticated_at` of a session that was opened by a mailed link: nobody proved anything in it.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class SessionEnded(Exception):
    """The session or its user's account ended while the request was being handled."""


class NotOpened(Exception):
    """The proof stopped counting meanwhile: a new password, a suspension, or the account is gone."""


class How(StrEnum):
    """How a browser was signed in."""

    PASSWORD = "password"
    CODE = "code"
    RECOVERY_CODE = "recovery_code"
    SECOND_PASSKEY = "second_passkey"
    PASSKEY = "passkey"
    LINK = "link"
    INVITATION = "invitation"
    UPSTREAM = "upstream"
    # The upstream says that it asked for a second factor.
    UPSTREAM_FACTOR = "upstream_factor"
    # By upstream sign-in, and a second factor shown here.
    UPSTREAM_STEP = "upstream_step"
    # Sessions from before this was recorded.
    UNKNOWN = ""


class Confirmed(NamedTuple):
    """The upstream's word that somebody is who they are: for which identity, in which of its sessions, and when."""

    identity_id: str
    sid: str | None
    at: datetime


class BrowserSession(UserMixin, Base):
    """One signed-in browser; Flask-Login's current_user."""

    __tablename__ = "browser_session"
    __table_args__ = (some("ix_browser_session_upstream_sid", "upstream_sid", where="upstream_sid IS NOT NULL"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("ses"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=stamp, index=True)
    last_seen_at: Mapped[datetime] = mapped_column(default=stamp)
    authenticated_at: Mapped[datetime] = mapped_column(default=stamp)
    ended_at: Mapped[datetime | None]
    how: Mapped[str] = mapped_column(String(20), default=How.UNKNOWN)
    # The identity, the session and the time of the upstream sign-in, if it rests on one.
    identity_id: Mapped[str | None] = mapped_column(String(40))
    upstream_sid: Mapped[str | None] = mapped_column(String(LONGEST_SID))
    confirmed_at: Mapped[datetime | None]
    # What was typed into a form before its user had to sign in, sealed by the page that fills it in again.
    kept: Mapped[str | None] = mapped_column(Text)

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)

    # What the cookie holds; known only in the request that opened the session or came with it.
    plaintext = ""

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie."""
        return self.plaintext


def open(
    user: User,
    *,
    how: How = How.UNKNOWN,
    authenticated_at: datetime | None = None,
    confirmed: Confirmed | None = None,
) -> BrowserSession:
    """Sign a browser in; `.plaintext` is the id for its cookie.

    Whoever calls has locked the user before they looked at what was proved. Raises `NotOpened`.
    """
    if user.disabled_at is not None:
        raise NotOpened
    plaintext = credentials.opaque()
    here = origin.current.get()
    session = BrowserSession(
        digest=credentials.digest(plaintext),
        user=user,
        user_id=user.id,
        address=here.address,
        agent=here.agent,
        how=how,
    )
    if authenticated_at is not None:
        session.authenticated_at = authenticated_at
    if confirmed is not None:
        session.identity_id, session.upstream_sid, session.confirmed_at = confirmed
    session.plaintext = plaintext
    within.insert(session)
    _MAKE_ROOM.run(user=user.id, most=MOST)
    return session


_NEWEST = select(BrowserSession.id).where(BrowserSession.user_id == bindparam("user"))
_OLD = _NEWEST.order_by(BrowserSession.id.desc()).offset(bindparam("most", type_=Integer))
_MAKE_ROOM = Within(delete(BrowserSession).where(BrowserSession.id.in_(_OLD)))


def hold(session: BrowserSession) -> User:
    """The user of a session. Both are locked until the commit. Raises `SessionEnded`.

    Whatever makes or changes a credential begins with it: the session that the request came with may have ended since.
    """
    user = users.lock(session.user_id)
    held = select(BrowserSession.id).where(
        BrowserSession.id == session.id,
        BrowserSession.digest == credentials.digest(session.plaintext),
        BrowserSession.ended_at.is_(None),
    )
    if user is None or user.disabled_at is not None or db.scalar(held) is None:
        raise SessionEnded
    return user


def find(plaintext: str) -> BrowserSession | None:
    """The live session of a cookie, of a user who is not disabled."""
    for session in _LIVE.all(digest=credentials.digest(plaintext), **_now()):
        session.plaintext = plaintext
        return session
    return None


def seen(session: BrowserSession) -> bool:
    """Note that a session was used, at most once a minute. Returns whether anything was written."""
    now = clock.now()
    if session.last_seen_at > now - SEEN_EVERY:
        return False
    db.execute(update(BrowserSession).where(BrowserSession.id == session.id).values(last_seen_at=now))
    return True


def keep(session: BrowserSession, sealed: str | None) -> None:
    """Let a session keep a form that is to be filled in again, or none."""
    session.kept = sealed
    db.flush()


def list_live(user: User) -> list[BrowserSession]:
    """The sessions of a user that still work, the one used last first."""
    working = select(BrowserSession).where(BrowserSession.user_id == user.id, _WORKING)
    return list(db.scalars(working.order_by(BrowserSession.last_seen_at.desc()), _now()))


# M-04: 12 hours idle, 7 days in all; and 12 hours after the upstream's word where it rests on that.
_WORKING = and_(
    BrowserSession.ended_at.is_(None),
    BrowserSession.last_seen_at > bindparam("idle", type_=UtcDateTime),
    BrowserSession.created_at > bindparam("absolute", type_=UtcDateTime),
    or_(BrowserSession.confirmed_at.is_(None), BrowserSession.confirmed_at > bindparam("word", type_=UtcDateTime)),
)
_LIVE = Found(
    BrowserSession,
    select(BrowserSession)
    .join(BrowserSession.user)
    .where(BrowserSession.digest == bindparam("digest"), _WORKING, User.disabled_at.is_(None)),
    user=User,
)


def _now() -> dict[str, Any]:
    now = clock.now()
    return {"idle": now - IDLE, "absolute": now - ABSOLUTE, "word": now - CONFIRMED}


def get_for(user: User, session_id: str) -> BrowserSession | None:
    """A session by its id, live or not, if it is this user's."""
    return db.scalar(select(BrowserSession).where(BrowserSession.id == session_id, BrowserSession.user_id == user.id))


def end(session: BrowserSession) -> None:
    """Sign a browser out for good."""
    db.execute(
        update(BrowserSession)
        .where(BrowserSession.id == session.id, BrowserSession.ended_at.is_(None))
        .values(ended_at=clock.now())
    )


def end_all(user: User, keep: BrowserSession | None = None) -> int:
    """End every session of a user except `keep`; locks the user. Returns how many were ended."""
    users.lock(user.id)
    statement = update(BrowserSession).where(BrowserSession.user_id == user.id, BrowserSession.ended_at.is_(None))
    if keep is not None:
        statement = statement.where(BrowserSession.id != keep.id)
    return affected(statement.values(ended_at=clock.now()))


def recently_authenticated(session: BrowserSession) -> bool:
    """Whether the user proved who they are within the last 15 minutes (L-09)."""
    return session.authenticated_at > clock.now() - RECENT


def reauthenticate(session: BrowserSession, at: datetime | None = None) -> None:
    """Record fresh proof, now or at `at`, and give the session a new id (M-02)."""
    session.authenticated_at = at or clock.now()
    renew(session)


def renew(session: BrowserSession) -> None:
    """Give the session a new id; `.plaintext` is what its cookie holds now."""
    plaintext = credentials.opaque()
    session.digest = credentials.digest(plaintext)
    session.plaintext = plaintext
    db.flush()


def purge() -> bool:
    """Remove some sessions that are past their longest life. Returns whether there may be more."""
    return sweep(BrowserSession, BrowserSession.created_at < clock.now() - ABSOLUTE)

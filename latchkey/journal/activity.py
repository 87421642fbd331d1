"""What happened in an account: an event for each security-relevant fact, in the transaction of what it tells of."""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Row,
    String,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, origin
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.journal import links
from latchkey.store.drivers import within
from latchkey.store.search import mentions
from latchkey.store.session import Base, db, stamp
from latchkey.store.sweeping import sweep

KEPT = timedelta(days=90)
MOST_KEPT = 5_000


class EventKind(StrEnum):
    """What an event tells of; the part before the dot is the group that people filter by."""

    SIGNED_UP = "account.signed_up"
    EMAIL_VERIFIED = "account.email_verified"
    EMAIL_CHANGED = "account.email_changed"
    RENAMED = "account.renamed"
    SIGNED_IN = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_THROTTLED = "sign_in.throttled"
    CODE_FAILED = "sign_in.code_failed"
    SIGNED_OUT = "sign_in.signed_out"
    SESSION_ENDED = "sign_in.session_ended"
    SIGNED_OUT_UPSTREAM = "sign_in.ended_upstream"
    REAUTHENTICATED = "sign_in.password_confirmed"
    PASSWORD_CHANGED = "security.password_changed"
    PASSWORD_RESET_ASKED = "security.password_reset_asked"
    PASSWORD_RESET = "security.password_reset"
    SECOND_FACTOR_ON = "security.second_factor_on"
    SECOND_FACTOR_OFF = "security.second_factor_off"
    AUTHENTICATOR_REMOVED = "security.authenticator_removed"
    PASSKEY_ADDED = "security.passkey_added"
    PASSKEY_REMOVED = "security.passkey_removed"
    PASSKEY_CLONED = "security.passkey_cloned"
    RECOVERY_CODES_MADE = "security.recovery_codes_made"
    RECOVERY_CODE_USED = "security.recovery_code_used"
    IDENTITY_LINKED = "security.sign_in_linked"
    IDENTITY_UNLINKED = "security.sign_in_unlinked"
    EVERYTHING_ENDED = "security.everything_ended"
    PAUSED = "security.everything_paused"
    RESUMED = "security.everything_resumed"
    USER_DISABLED = "security.user_disabled"
    USER_ENABLED = "security.user_enabled"
    ADMINISTRATOR_MADE = "security.administrator_made"
    ADMINISTRATOR_UNMADE = "security.administrator_unmade"
    APPROVAL_ASKED = "security.approval_asked"
    APPROVAL_GIVEN = "security.approval_given"
    APPROVAL_REFUSED = "security.approval_refused"
    SIGNED_OUT_EVERYWHERE = "security.signed_out_everywhere"
    TOKEN_CREATED = "token.created"
    TOKEN_CHANGED = "token.changed"
    TOKEN_WIDENED = "token.widened"
    TOKEN_EXTENDED = "token.extended"
    TOKEN_DISUSED = "token.disused"
    TOKEN_REGENERATED = "token.regenerated"
    TOKEN_REVOKED = "token.revoked"
    TOKEN_REPORTED = "token.reported"
    CANARY_MADE = "token.canary_made"
    CANARY_REMOVED = "token.canary_removed"
    CANARY_TRIED = "token.canary_tried"
    APP_REGISTERED = "app.registered"
    APP_CHANGED = "app.changed"
    APP_SECRET_ROTATED = "app.secret_rotated"
    APP_SECRET_REMOVED = "app.secret_removed"
    APP_KEYS_CHANGED = "app.keys_changed"
    APP_SUSPENDED = "app.suspended"
    APP_RESTORED = "app.restored"
    APP_DELETED = "app.deleted"
    APP_CUT_OFF = "app.users_cut_off"
    AUTHORIZED = "authorization.granted"
    AUTHORIZATION_DENIED = "authorization.denied"
    AUTHORIZATION_WITHDRAWN = "authorization.withdrawn"
    SIGN_IN_ENDED = "authorization.sign_in_ended"
    AUTHORIZATION_STOPPED = "authorization.app_suspended"
    CODE_REPLAYED = "authorization.code_replayed"
    REFRESH_REPLAYED = "authorization.refresh_token_replayed"
    REFRESHED_WITHOUT_END = "authorization.refreshed_without_end"


# Events that the owner should look at twice.
SUSPICIOUS = frozenset(
    {
        EventKind.SIGN_IN_FAILED,
        EventKind.SIGN_IN_THROTTLED,
        EventKind.CODE_FAILED,
        EventKind.RECOVERY_CODE_USED,
        EventKind.PASSKEY_CLONED,
        EventKind.TOKEN_REPORTED,
        EventKind.CANARY_TRIED,
        EventKind.CODE_REPLAYED,
        EventKind.REFRESH_REPLAYED,
        EventKind.REFRESHED_WITHOUT_END,
    }
)


# Events that a stranger can cause, so they do not show that anybody was in the account.
STRANGERS = frozenset({*SUSPICIOUS, EventKind.PASSWORD_RESET_ASKED, EventKind.SIGNED_UP})


class Event(Base):
    """One fact about an account: what, when, from where. `detail` holds names and ids, never a credential."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "user_id", "id"),
        Index(None, "at"),
        Index(None, "id", sqlite_where=text("seq IS NULL"), postgresql_where=text("seq IS NULL")),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("evt"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(default=stamp)
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    # Its place in the chain; None until the worker has closed it.
    seq: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def group(self) -> str:
        """What people filter by."""
        return self.kind.partition(".")[0]

    @property
    def suspicious(self) -> bool:
        """Whether its owner should look at it twice."""
        return self.kind in SUSPICIOUS


def record(user: User, kind: EventKind, **detail: str | int | list[str] | list[dict[str, Any]] | None) -> Event:
    """Record an event of a user, with the origin of this request; that of an administrator is kept in their acts."""
    here = origin.current.get().told
    told: dict[str, Any] = dict(detail)
    if here.actor != origin.OWNER:
        told["actor"] = {name: value for name, value in here.actor._asdict().items() if value}
    event = Event(
        user_id=user.id, kind=kind, address=here.address, agent=here.agent, request_id=here.request_id, detail=told
    )
    return within.insert(event)


def list_for(
    user: User,
    *,
    group: str | None = None,
    kinds: Collection[EventKind] | None = None,
    search: str = "",
    before: str | None = None,
    limit: int = 50,
) -> list[Event]:
    """Events of a user, newest first, of a group or of some kinds; `before` is the id of the last one already seen.

    Every word of `search` stands somewhere in the event: its kind, what it tells of, the address or the browser.
    """
    statement = select(Event).where(Event.user_id == user.id, Event.at > clock.now() - KEPT)
    if group:
        statement = statement.where(Event.kind.startswith(f"{group}.", autoescape=True))
    if kinds is not None:
        statement = statement.where(Event.kind.in_(kinds))
    if before:
        statement = statement.where(Event.id < before)
    statement = statement.where(*(_mentions(word) for word in search.split()))
    return list(db.scalars(statement.order_by(Event.id.desc()).limit(limit)))


def latest(user: User, kind: EventKind, most: int) -> list[datetime]:
    """When something happened to a user last, newest first."""
    return list(db.scalars(_LATEST, {"user": user.id, "kind": kind, "most": most}))


_LATEST = select(Event.at).where(Event.user_id == bindparam("user"), Event.kind == bindparam("kind"))
_LATEST = _LATEST.order_by(Event.id.desc()).limit(bindparam("most"))


def own_doings(user: User, *, since: datetime) -> list[Event]:
    """Events of a user since a moment, newest first, but for those that a stranger can make."""
    mine = (Event.user_id == user.id, Event.at > since, Event.kind.not_in(STRANGERS))
    return list(db.scalars(select(Event).where(*mine).order_by(Event.id.desc()).limit(MOST_KEPT)))


def addresses(user: User, *, until: datetime) -> set[str]:
    """From where somebody was in the account until then."""
    mine = (Event.user_id == user.id, Event.at <= until, Event.kind.not_in(STRANGERS), Event.address != "")
    return set(db.scalars(select(Event.address).where(*mine).distinct().limit(MOST_KEPT)))


def _mentions(word: str) -> ColumnElement[bool]:
    # Within JSON, letters beyond ASCII stand as \u escapes.
    in_detail = mentions(json.dumps(word)[1:-1], [Event.detail.cast(String)])
    return or_(mentions(word, [Event.kind, Event.address, Event.agent]), in_detail)


def purge() -> bool:
    """Remove some events older than what people are told, and the oldest of too many of one kind in an account.

    Of one kind: whoever does one thing again and again buries no trace of another. Whether there may be more.
    """
    return sweep(Event, Event.at < clock.now() - KEPT) or any(_thin_out(*crowd) for crowd in _crowds())


def _crowds() -> list[Row[str, str]]:
    """Of which kinds accounts have too many. Most have few in all, as an index tells."""
    full = db.scalars(select(Event.user_id).group_by(Event.user_id).having(func.count() > MOST_KEPT)).all()
    if not full:
        return []
    kinds = select(Event.user_id, Event.kind).where(Event.user_id.in_(full))
    return list(db.execute(kinds.group_by(Event.user_id, Event.kind).having(func.count() > MOST_KEPT)).all())


def _thin_out(user_id: str, kind: str) -> bool:
    same = (Event.user_id == user_id, Event.kind == kind)
    last = db.scalar(select(Event.id).where(*same).order_by(Event.id.desc()).offset(MOST_KEPT - 1).limit(1))
    links.leave_gap(user_id, kind=kind, before=last)
    return sweep(Event, *same, Event.id < last)

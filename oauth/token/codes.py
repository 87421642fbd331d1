"""Authorization codes: kept as digests, bound to what was agreed, redeemed once."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ForeignKey,
    LargeBinary,
    Select,
    String,
    and_,
    bindparam,
    case,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.clients import Client, redirects
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.store.prepared import PreparedSelect
from latchkey.store.session import Base, UtcDateTime, db, stamp
from latchkey.store.sweeping import AT_A_TIME, sweep
from latchkey.tokens.issued import issuing
from latchkey.tokens.issued.issuing import Issued, Under

LIFETIME = timedelta(seconds=60)
FORM_LENGTH = 43


class AuthorizationCode(Base):
    """One code. User, client and scopes stand on its grant, which ends with all that came of it (RFC 6749 §4.1.2)."""

    __tablename__ = "authorization_code"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("cod"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grant.id", ondelete="CASCADE"), index=True)
    session_id: Mapped[str] = mapped_column(String(40))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    # Whether the app named it in its request: if it did, it must name it again (RFC 6749 §4.1.3).
    redirect_uri_sent: Mapped[bool]
    challenge: Mapped[str | None] = mapped_column(String(43))
    authenticated_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    consumed_at: Mapped[datetime | None]


class Found(NamedTuple):
    """A code that was presented, a consumed one too, with the facts that decide about it."""

    code_id: str
    client_id: str
    user_id: str
    grant_id: str
    grant_expires_at: datetime
    scope: str
    resource: str | None
    redirect_uri: str
    redirect_uri_sent: bool
    described_uris: list[str] | None
    code_challenge: str | None
    code_challenge_method: str
    consumed: bool
    expired: bool
    orphaned: bool

    @property
    def scopes(self) -> frozenset[str]:
        """What was agreed to."""
        return scopes.held(self.scope)

    def get_redirect_uri(self) -> str:
        """What must be sent again; empty when it was left out."""
        return self.redirect_uri if self.redirect_uri_sent else ""

    def get_scope(self) -> str:
        """What was agreed to, as it goes over the wire."""
        return self.scope


_now: Any = bindparam("now", type_=UtcDateTime)
_asked_by = issuing.asked_in(AuthorizationCode, AuthorizationCode.session_id)
_columns: tuple[Any, ...] = (
    AuthorizationCode.id.label("code_id"),
    Grant.client_id,
    Grant.user_id,
    Grant.id.label("grant_id"),
    Grant.expires_at.label("grant_expires_at"),
    Grant.scope,
    Grant.resource,
    AuthorizationCode.redirect_uri,
    AuthorizationCode.redirect_uri_sent,
    case((Client.document_url.is_not(None), Client.redirect_uris)).label("described_uris"),
    AuthorizationCode.challenge.label("code_challenge"),
    literal_column("'S256'").label("code_challenge_method"),
    AuthorizationCode.consumed_at.is_not(None).label("consumed"),
    (AuthorizationCode.expires_at <= _now).label("expired"),
    or_(
        Grant.ended_at.is_not(None),
        Grant.expires_at <= _now,
        User.disabled_at.is_not(None),
        # C-10: whoever set a new password did not mean what was agreed to before it.
        User.password_changed_at > AuthorizationCode.created_at,
        ~_asked_by,
    ).label("orphaned"),
)
_this = AuthorizationCode.digest == bindparam("digest")
_found = PreparedSelect(
    "FoundCode",
    select(*_columns)
    .select_from(AuthorizationCode)
    .join(Grant, Grant.id == AuthorizationCode.grant_id)
    .join(Client, Client.id == Grant.client_id)
    .join(User, User.id == Grant.user_id)
    .where(_this),
    row=Found,
)
_consume = issuing.for_both(
    update(AuthorizationCode)
    .where(
        AuthorizationCode.id == bindparam("code_id"), AuthorizationCode.consumed_at.is_(None), _asked_by, issuing.held
    )
    .values(consumed_at=_now)
)


def save(
    plaintext: str,
    grant: Grant,
    session: BrowserSession,
    *,
    redirect_uri: str,
    redirect_uri_sent: bool,
    challenge: str | None,
) -> None:
    """Keep a new code for a minute."""
    now = clock.now()
    db.add(
        AuthorizationCode(
            digest=credentials.digest(plaintext),
            grant_id=grant.id,
            session_id=session.id,
            redirect_uri=redirect_uri,
            redirect_uri_sent=redirect_uri_sent,
            challenge=challenge,
            authenticated_at=session.authenticated_at,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    db.flush()


def beside(asked: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """A statement about a client with the columns of `Found` added; they are empty if the code is not the client's."""
    issued = asked.add_columns(*_columns).outerjoin(AuthorizationCode, _this)
    under = and_(Grant.id == AuthorizationCode.grant_id, Grant.client_id == Client.id)
    return issued.outerjoin(Grant, under).outerjoin(User, User.id == Grant.user_id)


def digest_of(plaintext: str) -> bytes | None:
    """The digest of a code; None if the string does not have the form of one."""
    return credentials.digest(plaintext) if len(plaintext) == FORM_LENGTH else None


def find(plaintext: str) -> Found | None:
    """The code that this is; a consumed one too, so that its replay is recognised (C-07).

    Also None if the app's metadata document no longer names the redirect URI of this sign-in.
    """
    digest = digest_of(plaintext)
    found: Found | None = None if digest is None else _found.one(digest=digest, now=clock.now())
    if found is None or not redirects.still_named(found.redirect_uri, found.described_uris):
        return None
    return found


def exchange(code: Found, under: Under) -> Issued | None:
    """Redeem a code: spend it and issue tokens in one transaction, once (C-06). None if it was used before."""
    facts = {"code_id": code.code_id, "now": clock.now()}
    return issuing.exchange(_consume, facts, under, code.scope)


def purge() -> bool:
    """Remove some codes that neither work nor need to be recognised any more, and sign-ins that nobody went on with.

    Whether there may be more.
    """
    old = AuthorizationCode.expires_at < clock.now() - timedelta(days=1)
    found = db.execute(select(AuthorizationCode.id, AuthorizationCode.grant_id).where(old).limit(AT_A_TIME)).all()
    if found:
        issuing.remove_unused(row.grant_id for row in found)
        sweep(AuthorizationCode, AuthorizationCode.id.in_([row.id for row in found]))
    return len(found) == AT_A_TIME

"""What a user was shown of an app's request, frozen while they decide (B-13), and how they answered."""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.fernet import InvalidToken
from sqlalchemy import JSON, ForeignKey, LargeBinary, String, Text, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, credentials, resources, scopes, settings, vault
from latchkey.accounts import users
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import Client
from latchkey.clients.keys import record as own_keys
from latchkey.clients.keys import sets
from latchkey.ids import new_id
from latchkey.store.session import Base, db, stamp
from latchkey.store.sweeping import sweep
from oauth.authorize.request import Asked

LIFETIME = timedelta(minutes=10)


class PendingConsent(Base):
    """One question to a user, in the browser session that it was asked in; only what it showed can be granted."""

    __tablename__ = "pending_consent"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("pnd"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("browser_session.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    # Identifiers of resources, of which there may be several.
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    scope: Mapped[str] = mapped_column(String(4000))
    # The scopes that could be unticked, and those that were only named because the app has them already.
    optional_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    known_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    version: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None] = mapped_column(String(8))
    # Where the answer led; sealed, since the address holds a code.
    answer: Mapped[str | None] = mapped_column(Text)

    @property
    def scopes(self) -> frozenset[str]:
        """What was asked for and shown."""
        return scopes.held(self.scope)

    @property
    def young(self) -> bool:
        """Whether it can still be answered."""
        return self.expires_at > clock.now()

    def decide(self, decision: str, location: str) -> None:
        """Keep the answer, so that giving it again leads to the same place."""
        self.decision, self.decided_at, self.answer = decision, self.decided_at or clock.now(), vault.seal(location)

    @property
    def location(self) -> str:
        """Where the answer led; empty if another secret key sealed it."""
        try:
            return vault.unseal(self.answer or "")
        except InvalidToken:
            return ""


def version(client: Client, scope: str) -> str:
    """A fingerprint of what people are shown of an app and of these scopes, and of who can redeem its codes."""
    shown = (client.name, client.homepage, client.publisher, client.client_id, client.logo_version, client.trusted)
    needs = sorted(frozenset(scope.split()) - client.optional)
    # A suspension ends open questions, also when it is lifted before they are answered.
    stopped = client.last_suspended_at.isoformat() if client.last_suspended_at else None
    keys = (client.confidential, sorted(secret.id for secret in client.secrets), _own_keys(client))
    # Of an app without an owner here all addresses are shown.
    leads = [] if client.owner_id is not None else client.redirect_uris
    places = {resource.normal: resource.title for resource in map(resources.owner, scope.split())}
    return sha256(json.dumps([shown, needs, keys, leads, stopped, sorted(places.items())]).encode()).hexdigest()


def _own_keys(client: Client) -> list[str]:
    """The keys of an app; for keys at an address, the address, since whoever controls it can change them."""
    found = own_keys.find(client.id) if client.keyed else None
    if found is None:
        return []
    return [found.url] if found.url else sorted(map(sets.thumbprint, found.keys))


class Shown(NamedTuple):
    """What a page asks for: all of it, what can be unticked, and what is only named since the app has it already."""

    wanted: frozenset[str]
    optional: frozenset[str]
    known: frozenset[str]


def freeze(asked: Asked, shown: Shown, session: BrowserSession) -> str:
    """Keep what is shown for ten minutes; the handle for the form. The session's oldest questions give way."""
    handle, now = credentials.opaque(), clock.now()
    # Locked, so that two questions to one user are frozen one after the other.
    users.lock(session.user_id)
    db.add(
        PendingConsent(
            digest=credentials.digest(handle),
            session_id=session.id,
            user_id=session.user_id,
            client_id=asked.client.id,
            parameters=asked.parameters | {"resource": asked.resources},
            scope=scopes.serialize(shown.wanted),
            optional_scope=scopes.serialize(shown.optional),
            known_scope=scopes.serialize(shown.known),
            redirect_uri=asked.redirect_uri,
            version=version(asked.client, scopes.serialize(shown.wanted)),
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    db.flush()
    _limit(session)
    return handle


def _limit(session: BrowserSession) -> None:
    newest = (
        select(PendingConsent.id)
        .where(PendingConsent.session_id == session.id)
        .order_by(PendingConsent.created_at.desc(), PendingConsent.id.desc())
        .offset(settings.current().quota_pending)
    )
    if outdated := list(db.scalars(newest)):
        db.execute(delete(PendingConsent).where(PendingConsent.id.in_(outdated)))


def find(handle: str, session: BrowserSession) -> PendingConsent | None:
    """The question of a handle, if it was asked in this session; the user is locked, so nobody else answers it."""
    return db.scalar(
        select(PendingConsent)
        .where(
            PendingConsent.digest == credentials.digest(handle),
            PendingConsent.session_id == session.id,
            PendingConsent.user_id == session.user_id,
        )
        .execution_options(populate_existing=True)
    )


def purge() -> bool:
    """Remove some questions that nobody can answer any more; whether there may be more."""
    return sweep(PendingConsent, PendingConsent.expires_at < clock.now())

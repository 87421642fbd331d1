"""The record of every client and its secrets, and how one is found."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    false,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from latchkey import clock, ids, scopes, settings
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import document_urls, origins, redirects
from latchkey.clients.moved import record as moved
from latchkey.clients.origins import ClientOrigin
from latchkey.credentials import Kind
from latchkey.naming import names
from latchkey.store.conflicts import Gone
from latchkey.store.session import Base, db, some, stamp

LONGEST_NAME = 60
LONGEST_HOMEPAGE = 500
LONGEST_REASON = 200
# What people read as the owner of an app that registered itself.
NOBODY = "an unknown maker"


class ClientGone(Gone):
    """The client was deleted or suspended meanwhile."""


class Client(Base):
    """An app that acts for users who agreed. Its id is the OAuth client_id."""

    __tablename__ = "client"
    __table_args__ = (
        CheckConstraint("confidential OR pkce_required", name="public_pkce"),
        CheckConstraint("confidential OR NOT trusted", name="public_untrusted"),
        Index(None, "owner_id", "form_id", unique=True),
        Index(None, "document_url", unique=True),
        some("ix_client_waiting", "id", where="waiting_since IS NOT NULL"),
        some("ix_client_suspended", "id", where="suspended_at IS NOT NULL"),
        some("ix_client_trusted", "id", where="trusted"),
        some("ix_client_resource_servers", "id", where="resource_server"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: ids.new_id("app"))
    # None: it registered itself (RFC 7591), so nobody is responsible for it.
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    homepage: Mapped[str] = mapped_column(String(LONGEST_HOMEPAGE))
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    scope: Mapped[str] = mapped_column(String(4000))
    # Scopes that wait for an administrator's approval; until then it may not ask users for them.
    waiting_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    waiting_since: Mapped[datetime | None]
    # The scopes that users may untick.
    optional_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    # Since when it has these scopes, from which on calls by scope are counted; None: since it was registered.
    counted_since: Mapped[datetime | None]
    # The scopes that were removed because they were not used, and when, so that they can be restored.
    dropped_scope: Mapped[str | None] = mapped_column(String(4000))
    dropped_at: Mapped[datetime | None]
    confidential: Mapped[bool]
    # Whether it proves itself by keys of its own (RFC 7523), and so has no secret.
    keyed: Mapped[bool] = mapped_column(default=False, server_default=false())
    # How often all that proved it was ended at once: whoever proved itself before begins nothing after.
    proofs_ended: Mapped[int] = mapped_column(default=0, server_default="0")
    pkce_required: Mapped[bool] = mapped_column(default=True)
    trusted: Mapped[bool] = mapped_column(default=False)
    # Whether it may sign in devices by a code that people type (RFC 8628).
    device_flow: Mapped[bool] = mapped_column(default=False, server_default=false())
    resource_server: Mapped[bool] = mapped_column(default=False, server_default=false())
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    logo_version: Mapped[str | None] = mapped_column(String(16))
    form_id: Mapped[str | None] = mapped_column(String(43))
    # Since when it is suspended, for whatever causes. This column alone decides whether it may do anything.
    suspended_at: Mapped[datetime | None]
    suspended_for: Mapped[str] = mapped_column(String(60), default="", server_default="")
    suspension_reason: Mapped[str | None] = mapped_column(String(LONGEST_REASON))
    # When it was last suspended; stays after it is restored, since requests from before must not go on.
    last_suspended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    updated_at: Mapped[datetime] = mapped_column(default=stamp)

    # The address of its metadata document, which is its client_id; when it was read, and until when it is fresh.
    document_url: Mapped[str | None] = mapped_column(String(document_urls.LONGEST))
    document_read_at: Mapped[datetime | None]
    document_fresh_until: Mapped[datetime | None]
    # Since when an administrator has pinned that copy, whatever the document says now.
    document_pinned_at: Mapped[datetime | None]

    owner: Mapped[User | None] = relationship(lazy="joined")
    secrets: Mapped[list["ClientSecret"]] = relationship(
        lazy="selectin", order_by="ClientSecret.id.desc()", viewonly=True
    )
    origins: Mapped[list[ClientOrigin]] = relationship(cascade="all, delete-orphan", passive_deletes=True)

    @validates("redirect_uris")
    def _keep_origins(self, _name: str, uris: list[str]) -> list[str]:
        wanted = origins.of(uris)
        there = {row.origin: row for row in self.origins}
        self.origins = [there.get(origin) or ClientOrigin(origin=origin) for origin in sorted(wanted)]
        return uris

    def speaks_from(self, origin: str) -> bool:
        """Whether an origin is one of its pages. Only for public apps: a browser app has no secret."""
        if self.confidential or self.suspended_at is not None:
            return False
        return origins.kept(origin) in origins.of(self.redirect_uris)

    @property
    def client_id(self) -> str:
        """Its client_id in the protocol."""
        return self.document_url or self.id

    @property
    def publisher(self) -> str:
        """Whose app it is, as the people read it who are asked (J-04)."""
        return names.shown(self.owner.name, ours=self.owner.is_admin) if self.owner is not None else NOBODY

    @property
    def document_host(self) -> str:
        """Who is known to speak for an app of a metadata document; empty for any other."""
        return document_urls.host(self.document_url or "")

    @property
    def speaks_for(self) -> list[str]:
        """The hosts that an app without an owner leads back to; none: only programs on people's own devices."""
        return list(dict.fromkeys(filter(None, map(redirects.destination, self.redirect_uris))))

    @property
    def answered_for(self) -> bool:
        """Whether it is confidential and has an owner here; only then is an earlier consent remembered (K-02)."""
        return self.confidential and self.owner_id is not None

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that it is registered for, at most."""
        return scopes.held(self.scope)

    @property
    def askable(self) -> frozenset[str]:
        """What it may ask for now: a scope that makes credentials needs an administrator's trust (I-06)."""
        return scopes.open_to(self.scopes, trusted=self.trusted)

    @property
    def optional(self) -> frozenset[str]:
        """Those of its scopes that it can do without, so that people may untick them."""
        return scopes.held(self.optional_scope) & self.scopes

    @property
    def waiting_scopes(self) -> frozenset[str]:
        """The scopes that wait for an administrator's approval."""
        return scopes.held(self.waiting_scope)

    @property
    def ceiling(self) -> frozenset[str] | None:
        """The scopes among which its owner may choose; None: all.

        Nobody is asked about a trusted app, so only an administrator gives it more than it was trusted with (J-06).
        """
        free = not self.trusted or (self.owner is not None and identities.administers(self.owner))
        return None if free else self.scopes


class ClientSecret(Base):
    """One secret of a confidential client; two may live at a time, so that replacing one needs no outage."""

    __tablename__ = "client_secret"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: ids.new_id("sec"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    last4: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    @property
    def live(self) -> bool:
        """Whether it still works."""
        return self.expires_at is None or self.expires_at > clock.now()

    @property
    def hint(self) -> str:
        """What may be shown of it."""
        return f"{settings.current().token_prefix}_{Kind.SECRET}_…{self.last4}"


def _named(client_id: str) -> ColumnElement[bool] | None:
    """The condition for the client of this id, if it can be one: ours, a document's address, another system's."""
    if ids.is_id(client_id, "app"):
        return Client.id == client_id
    if document_urls.allowed(client_id):
        return Client.document_url == client_id
    name = moved.name(client_id)
    return Client.id == moved.named(name) if name is not None else None


def find(client_id: str) -> Client | None:
    which = _named(client_id)
    return db.scalar(select(Client).where(which)) if which is not None else None


def hold(client_id: str) -> Client | None:
    """The client as stored now; nobody changes it until the commit. Users are locked before clients."""
    which = _named(client_id)
    if which is None:
        return None
    statement = select(Client).where(which).with_for_update(read=True, of=Client)
    return db.scalar(statement.execution_options(populate_existing=True))


def share(client_id: str) -> Client:
    """The same for whatever begins under a client. Raises `ClientGone`, also for a suspended one."""
    client = hold(client_id)
    if client is None or client.suspended_at is not None:
        raise ClientGone
    return client


def lock(client_id: str) -> Client | None:
    """The client as it stands now, a suspended one too, for this transaction alone to change."""
    statement = select(Client).where(Client.id == client_id).with_for_update(of=Client, key_share=True)
    return db.scalar(statement.execution_options(populate_existing=True))


def made_by(owner: User, form_id: str) -> Client | None:
    """The client that a form registered when it was sent before."""
    return db.scalar(select(Client).where(Client.owner_id == owner.id, Client.form_id == form_id))

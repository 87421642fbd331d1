"""OAuth clients, called apps on screens, and their secrets."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from latchkey import clock, credentials, redirects, scopes, settings, texts
from latchkey.db import Base, affected, db, new_id, stamp
from latchkey.users import User

LONGEST_NAME = 60
OVERLAP = timedelta(hours=24)
LIVE_SECRETS = 2
ID = re.compile(r"app_[0-9a-f]{28}", re.ASCII)


class BadClient(Exception):
    """A client cannot be registered or changed like this: `field` is what is wrong, the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Client(Base):
    """An app that acts for users who agreed. Its id is the OAuth client_id."""

    __tablename__ = "client"
    __table_args__ = (
        CheckConstraint("confidential OR pkce_required", name="public_pkce"),
        CheckConstraint("confidential OR NOT trusted", name="public_untrusted"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("app"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    homepage: Mapped[str] = mapped_column(String(500))
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    scope: Mapped[str] = mapped_column(String(4000))
    confidential: Mapped[bool]
    pkce_required: Mapped[bool] = mapped_column(default=True)
    trusted: Mapped[bool] = mapped_column(default=False)
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    logo_version: Mapped[str | None] = mapped_column(String(16))
    suspended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    updated_at: Mapped[datetime] = mapped_column(default=stamp)

    owner: Mapped[User] = relationship(lazy="joined", innerjoin=True)
    secrets: Mapped[list["ClientSecret"]] = relationship(
        lazy="selectin", order_by="ClientSecret.id.desc()", viewonly=True
    )

    @property
    def scopes(self) -> frozenset[str]:
        """The most that this client may ask for."""
        return scopes.held(self.scope)


class ClientSecret(Base):
    """One secret of a confidential client; two may live at a time, so that replacing one needs no outage."""

    __tablename__ = "client_secret"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("sec"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    last4: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    @property
    def live(self) -> bool:
        """Whether it still opens anything."""
        return self.expires_at is None or self.expires_at > clock.now()


def register(
    owner: User,
    *,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Iterable[str],
    confidential: bool,
    homepage: str = "",
    pkce_required: bool = True,
    trusted: bool = False,
) -> tuple[Client, str | None]:
    """A new client and, if it is confidential, the plaintext of its secret, once. Raises `BadClient`."""
    client = Client(owner=owner, confidential=confidential, trusted=trusted, name="", homepage="", scope="")
    _apply(client, name, homepage, redirect_uris, scopes, pkce_required=pkce_required)
    if trusted and not confidential:
        raise BadClient("trusted", "Only a confidential app can be trusted: anybody can pretend to be a public one.")
    db.add(client)
    db.flush()
    return client, _new_secret(client) if confidential else None


def change(
    client: Client,
    *,
    name: str,
    homepage: str,
    redirect_uris: Sequence[str],
    scopes: Iterable[str],
    pkce_required: bool,
) -> None:
    """Give a client other settings. Raises `BadClient`."""
    _apply(client, name, homepage, redirect_uris, scopes, pkce_required=pkce_required)
    client.updated_at = clock.now()
    db.flush()


def _apply(
    client: Client, name: str, homepage: str, uris: Sequence[str], wanted: Iterable[str], *, pkce_required: bool
) -> None:
    values = (
        _name(name),
        _homepage(homepage),
        _redirect_uris(uris),
        _ceiling(wanted, trusted=client.trusted),
    )
    if not client.confidential and not pkce_required:
        raise BadClient("pkce_required", "A public app always uses PKCE.")
    client.name, client.homepage, client.redirect_uris, client.scope = values
    client.pkce_required = pkce_required


def _name(name: str) -> str:
    try:
        line = texts.line(name, LONGEST_NAME)
    except texts.BadText as error:
        raise BadClient("name", str(error)) from None
    # J-04: an app must not pass for the portal itself.
    if settings.current().brand_name.casefold() in line.casefold():
        raise BadClient("name", f"Leave {settings.current().brand_name} out of the name: it could pass for us.")
    return line


def _homepage(homepage: str) -> str:
    if not homepage:
        return ""
    parts = urlsplit(homepage) if redirects.ALLOWED.fullmatch(homepage) and len(homepage) <= 500 else None
    if (
        parts is None
        or parts.scheme != "https"
        or not redirects.HOST.fullmatch(parts.hostname or "")
        or "@" in homepage
    ):
        raise BadClient("homepage", "Write an https address such as https://app.example.com.")
    return homepage


def _redirect_uris(uris: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(uris))
    if not unique:
        raise BadClient("redirect_uris", "Write at least one address to lead people back to.")
    if len(unique) > redirects.MOST:
        raise BadClient("redirect_uris", f"Use at most {redirects.MOST} addresses.")
    for number, uri in enumerate(unique, 1):
        try:
            redirects.check(uri)
        except redirects.BadRedirectURI as error:
            raise BadClient("redirect_uris", f"Line {number}: {error}" if len(unique) > 1 else str(error)) from None
    return unique


def _ceiling(wanted: Iterable[str], *, trusted: bool) -> str:
    try:
        chosen = scopes.check(wanted)
    except scopes.NoScopes:
        raise BadClient("scopes", "Choose at least one scope.") from None
    except scopes.UnknownScope:
        raise BadClient("scopes", "One of these scopes does not exist.") from None
    # I-06: credentials do not breed unseen.
    if chosen & scopes.BREEDING and not trusted:
        names = " and ".join(sorted(chosen & scopes.BREEDING))
        raise BadClient("scopes", f"{names} is only for apps that an administrator trusts.")
    return scopes.serialize(chosen)


def find(client_id: str) -> Client | None:
    """The client of an id."""
    return db.scalar(select(Client).where(Client.id == client_id)) if ID.fullmatch(client_id) else None


def list_for(owner: User) -> list[Client]:
    """The clients of a user, the newest first."""
    return list(db.scalars(select(Client).where(Client.owner_id == owner.id).order_by(Client.id.desc())))


def get_for(owner: User, client_id: str) -> Client | None:
    """A user's own client."""
    return db.scalar(select(Client).where(Client.id == client_id, Client.owner_id == owner.id))


def live_secrets(client: Client) -> list[ClientSecret]:
    """The secrets that work, the newest first."""
    statement = select(ClientSecret).where(ClientSecret.client_id == client.id).order_by(ClientSecret.id.desc())
    return [secret for secret in db.scalars(statement) if secret.live]


def find_secret(client: Client, plaintext: str) -> ClientSecret | None:
    """The live secret that this is, compared in constant time; a public client has none, whatever it sends (D-07)."""
    if not client.confidential or credentials.kind_of(plaintext) is not credentials.Kind.SECRET:
        return None
    for secret in client.secrets:
        if credentials.matches(plaintext, secret.digest) and secret.live:
            return secret
    return None


def _new_secret(client: Client) -> str:
    plaintext = credentials.generate(credentials.Kind.SECRET)
    db.add(ClientSecret(client_id=client.id, digest=credentials.digest(plaintext), last4=plaintext[-4:]))
    db.flush()
    return plaintext


def rotate_secret(client: Client) -> str:
    """A new secret's plaintext; the one before works 24 hours more, older ones end at once. Raises `BadClient`."""
    if not client.confidential:
        raise BadClient("confidential", "A public app has no secret.")
    db.execute(select(Client.id).where(Client.id == client.id).with_for_update())
    live, now = live_secrets(client), clock.now()
    for secret in live[LIVE_SECRETS - 1 :]:
        db.delete(secret)
    for secret in live[: LIVE_SECRETS - 1]:
        secret.expires_at = min(secret.expires_at or now + OVERLAP, now + OVERLAP)
    return _new_secret(client)


def remove_secret(client: Client, secret_id: str) -> bool:
    """End an old secret before its time; never the newest one. Whether there was one to end."""
    newest = (
        select(ClientSecret.id).where(ClientSecret.client_id == client.id).order_by(ClientSecret.id.desc()).limit(1)
    )
    statement = delete(ClientSecret).where(
        ClientSecret.id == secret_id, ClientSecret.client_id == client.id, ClientSecret.id != newest.scalar_subquery()
    )
    return affected(statement) == 1


def suspend(client: Client) -> None:
    """Stop a client: its tokens, codes and requests are refused from the next request on."""
    db.execute(update(Client).where(Client.id == client.id).values(suspended_at=clock.now()))


def remove(client: Client) -> None:
    """Delete a client with all that hangs on it."""
    db.execute(delete(Client).where(Client.id == client.id))
    db.expunge(client)

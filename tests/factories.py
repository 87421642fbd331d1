"""Makers of records with sensible defaults; what they make is committed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from latchkey import clients, clock, credentials, origin, tokens
from latchkey import scopes as scope_names
from latchkey.accounts import emails, passwords, users
from latchkey.accounts.users import User
from latchkey.clients import Client, ClientSecret
from latchkey.clients.keys import changing
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.tokens import Minted

PASSWORD = "umbrella-quarry-violet-91"
CALLBACK = "https://app.example.com/callback"


class Registered(NamedTuple):
    """A client and the plaintext of its secret (None for a public one)."""

    client: Client
    secret: str | None


@cache
def _hash(password: str) -> str:
    """A real hash, made once: it takes some 50 ms."""
    return passwords.hash(password)


def make_user(
    email: str = "alice@example.com",
    *,
    name: str | None = None,
    password: str = PASSWORD,
    verified: bool = True,
    admin: bool = False,
) -> User:
    user = User(
        email=email,
        email_key=emails.key(email),
        email_verified_at=clock.now() if verified else None,
        name=name or email.partition("@")[0].title(),
        password_hash=_hash(password),
        is_admin=admin,
    )
    db.add(user)
    db.commit()
    return user


def set_password(user: User, password: str) -> None:
    """Give a user another password, as pages do: hashed first, then kept."""
    users.store_password(user, users.prepare_password(user, password))


def make_client(
    owner: User,
    *,
    name: str = "Example",
    redirect_uris: Iterable[str] = (CALLBACK,),
    scopes: Iterable[str] = ("account:read",),
    confidential: bool = True,
    **options: object,
) -> Registered:
    made = clients.register(
        owner,
        name=name,
        redirect_uris=list(redirect_uris),
        scopes=scopes,
        confidential=confidential,
        **{"homepage": "https://app.example.com", **options},
    )
    db.commit()
    return Registered(*made)


def make_token(
    user: User,
    *,
    description: str = "Deploy script",
    scopes: Iterable[str] = ("account:read",),
    lifetime: timedelta | None = timedelta(days=90),
    **options: object,
) -> Minted:
    minted = tokens.mint(user, description=description, scopes=scopes, lifetime=lifetime, **options)
    db.commit()
    return minted


def record_token(
    plaintext: str, *, kind: Kind, grant: Grant, scopes: Iterable[str], expires_at: datetime
) -> tokens.Token:
    """An access or refresh token under a grant, as the token endpoint leaves it; not committed."""
    here = origin.current.get()
    token = tokens.Token(
        kind=kind,
        digest=credentials.digest(plaintext),
        last4=plaintext[-4:],
        user_id=grant.user_id,
        grant_id=grant.id,
        scope=scope_names.serialize(scopes),
        created_address=here.address,
        created_agent=here.agent,
        expires_at=min(expires_at, grant.expires_at),
    )
    db.add(token)
    db.flush()
    return token


def make_access_token(grant: Grant) -> str:
    """An access token of an hour under a grant, with all that the grant holds: its plaintext."""
    plaintext, ends = credentials.generate(Kind.ACCESS), clock.now() + timedelta(hours=1)
    record_token(plaintext, kind=Kind.ACCESS, grant=grant, scopes=grant.scopes, expires_at=ends)
    db.commit()
    return plaintext


def give_keys(client: Client, key_set: str) -> Client:
    """The client, proving itself by these public keys from now on."""
    locked = clients.lock(client.id)
    assert locked is not None
    changing.give(locked, changing.pasted(key_set), by=None)
    db.commit()
    return locked


def find_secret(client: Client, plaintext: str) -> ClientSecret | None:
    """The live secret of a client that this is."""
    live = (secret for secret in clients.live_secrets(client) if credentials.matches(plaintext, secret.digest))
    return next(live, None)


def begin_own(client: Client, names: Iterable[str]) -> Grant:
    """The grant of an app as itself."""
    grant = Grant(client_id=client.id, scope=scope_names.serialize(names))
    db.add(grant)
    db.commit()
    return grant

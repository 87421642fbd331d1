"""What an operator does to tokens and authorizations, and whose a credential is that somebody found."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from latchkey import clients, credentials, grants, notices, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Client, ClientSecret
from latchkey.clients.moved import record as moved
from latchkey.credentials import Kind
from latchkey.grants import Authorization, EndReason, Grant
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.imported import lookup


class Found(NamedTuple):
    """Whose a credential is: a token, or an app by its secret or id. `live`: it still opens something."""

    kind: str
    # None: of an app that registered itself.
    owner: User | None
    live: bool
    token: Token | None = None
    client: Client | None = None


def find_token(token_id: str) -> Token | None:
    """A token of any kind, with its owner and app."""
    whole = (joinedload(Token.user), joinedload(Token.grant).joinedload(Grant.client))
    return db.scalar(select(Token).where(Token.id == token_id).options(*whole))


def find_authorization(authorization_id: str) -> Authorization | None:
    """An authorization, with its user and app."""
    whole = select(Authorization).where(Authorization.id == authorization_id)
    return db.scalar(whole.options(joinedload(Authorization.user, innerjoin=True)))


def live(token: Token) -> bool:
    """Whether a token still opens something."""
    return not token.ended and token.consumed_at is None and (token.grant is None or token.grant.live)


def name(token: Token) -> str:
    """What people call a token."""
    return token.description or (f"a token of {token.grant.client.name}" if token.grant is not None else token.id)


def find(text: str) -> Found | None:
    """Whose a pasted credential or client id is; what was pasted is kept nowhere. Raises `TooMany` as `proved` does."""
    spotted = credentials.spotted(text)
    plaintext = spotted[-1] if spotted else text.strip()
    if credentials.kind_of(plaintext) is Kind.SECRET:
        return _by_secret(plaintext)
    token = tokens.find(plaintext)
    if token is None and lookup.proved(plaintext):
        token = tokens.find(plaintext)
    if token is not None:
        token = find_token(token.successor_id or token.id) if token.kind == Kind.DEVELOPER else find_token(token.id)
        return _of(token) if token is not None else None
    client = clients.find(plaintext)
    if client is not None:
        return Found("client_id", client.owner, client.suspended_at is None, client=client)
    return _by_secret(plaintext) if moved.may_be_secret(plaintext) else None


def _of(token: Token) -> Found | None:
    client = token.grant.client if token.grant is not None else None
    owner = token.user or (client.owner if client is not None else None)
    return Found(token.kind, owner, live(token), token, client) if owner is not None else None


def _by_secret(plaintext: str) -> Found | None:
    secret = db.scalar(select(ClientSecret).where(ClientSecret.digest == credentials.digest(plaintext)))
    client = clients.find(secret.client_id) if secret is not None else None
    if secret is None or client is None:
        return None
    return Found(Kind.SECRET, client.owner, secret.live and client.suspended_at is None, client=client)


def revoke(token: Token) -> bool:
    """End a token and tell its owner; a refresh token's sign-in ends with it. Whether it was still to be ended."""
    if token.user_id is not None:
        users.lock(token.user_id)
    if token.kind == Kind.REFRESH and token.grant_id is not None:
        ended = grants.end(token.grant_id, EndReason.OPERATOR)
    else:
        ended = tokens.revoke(token)
    if not ended:
        return False
    owner = token.user or (token.grant.client.owner if token.grant is not None else None)
    if owner is not None:
        notices.token_revoked(owner, token)
    acts.record(ActKind.TOKEN_REVOKED, token.id, name(token))
    return True


def withdraw(authorization: Authorization) -> bool:
    """Take back what a user let an app do, and tell the user. Whether there was something to take back."""
    users.lock(authorization.user_id)
    if not grants.withdraw(authorization, EndReason.OPERATOR):
        return False
    notices.authorization_withdrawn(authorization.user, authorization.client, by_user=False)
    acts.record(
        ActKind.AUTHORIZATION_WITHDRAWN,
        authorization.id,
        f"{authorization.client.name}, {authorization.user.email}",
    )
    return True

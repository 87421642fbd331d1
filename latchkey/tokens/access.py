"""The one decision about a bearer credential; API, gateway check and introspection only translate it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from latchkey import clock, credentials, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.journal import counting
from latchkey.journal.counting import LET_PASS
from latchkey.journal.refusals import Reason
from latchkey.store.prepared import Lookup
from latchkey.store.session import UtcDateTime
from latchkey.tokens import Token, usage

BEARERS = (Kind.DEVELOPER, Kind.ACCESS)


class Fault(StrEnum):
    """What is wrong with a credential. A wrong checksum is unknown, too: it must not look different (I-02)."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"


_WORDS = {
    Fault.UNKNOWN: "The token is unknown.",
    Fault.EXPIRED: "The token has expired.",
    Fault.REVOKED: "The token was revoked.",
}


class NoCredential(Exception):
    """Nothing was presented."""


class InvalidToken(Exception):
    """What was presented does not work; `.fault` says why, `.bearer` what is known of it."""

    def __init__(self, fault: Fault, bearer: "Bearer | None" = None) -> None:
        super().__init__(_WORDS[fault])
        self.fault, self.bearer = fault, bearer


class ScopeTooNarrow(Exception):
    """The token works but may not do this: `.needed` are all the scopes it takes, `.bearer` is what came."""

    def __init__(self, needed: frozenset[str], bearer: "Bearer") -> None:
        super().__init__("The token lacks a scope that this call needs.")
        self.needed, self.bearer = needed, bearer


class Bearer(NamedTuple):
    """Who is calling and what they may do: the facts of token, user and client in one row."""

    token_id: str
    # Of the string that came: a token that is regenerated keeps its id.
    digest: bytes
    kind: str
    fault: str
    used_lately: bool
    parent_id: str | None
    grant_id: str | None
    scope: str
    description: str | None
    last4: str
    created_at: datetime
    expires_at: datetime | None
    user_id: str | None
    email: str | None
    name: str | None
    email_verified: bool | None
    user_created_at: datetime | None
    user_updated_at: datetime | None
    client_id: str | None
    client_name: str | None
    # What replacing, refreshing or minting tokens does not change: the grant, the token that all others came from, or
    # the app that acts as itself, whose every token has a grant of its own.
    family: str

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""
        return scopes.held(self.scope)


# What its owner reads of a token that does not work.
_REASONS = {Fault.EXPIRED: Reason.EXPIRED, Fault.REVOKED: Reason.REVOKED}


def _fault(token: Any, user: Any, grant: Any, client: Any) -> Any:
    now = bindparam("now", type_=UtcDateTime)
    ended = or_(
        token.revoked_at.is_not(None),
        token.consumed_at.is_not(None),
        user.disabled_at.is_not(None),
        grant.ended_at.is_not(None),
        client.suspended_at.is_not(None),
    )
    over = or_(token.expires_at <= now, grant.expires_at <= now)
    return case(
        (ended, literal_column(f"'{Fault.REVOKED}'")),
        (over, literal_column(f"'{Fault.EXPIRED}'")),
        else_=literal_column("''"),
    )


_family = func.coalesce(case((Token.user_id.is_(None), Grant.client_id)), Token.grant_id, Token.id).label("family")

_bearer = Lookup(
    "Bearer",
    select(
        Token.id.label("token_id"),
        Token.digest,
        Token.kind,
        _fault(Token, User, Grant, Client).label("fault"),
        (Token.last_used_at > bindparam("lately", type_=UtcDateTime)).label("used_lately"),
        Token.parent_id,
        Token.grant_id,
        Token.scope,
        Token.description,
        Token.last4,
        Token.created_at,
        Token.expires_at,
        Token.user_id,
        User.email,
        User.name,
        User.email_verified_at.is_not(None).label("email_verified"),
        User.created_at.label("user_created_at"),
        User.updated_at.label("user_updated_at"),
        Client.id.label("client_id"),
        Client.name.label("client_name"),
        _family,
    )
    .select_from(Token)
    .outerjoin(User, User.id == Token.user_id)
    .outerjoin(Grant, Grant.id == Token.grant_id)
    .outerjoin(Client, Client.id == Grant.client_id)
    .where(Token.digest == bindparam("digest")),
    row=Bearer,
)


def _ancestry() -> Lookup:
    above = select(Token.id, Token.parent_id).where(Token.id == bindparam("parent_id")).cte("above", recursive=True)
    elder = aliased(Token)
    above = above.union_all(select(elder.id, elder.parent_id).join(above, elder.id == above.c.parent_id))
    statement = (
        select(Token.scope, Token.parent_id, _family, _fault(Token, User, Grant, Client).label("fault"))
        .select_from(Token)
        .join(above, above.c.id == Token.id)
        .outerjoin(User, User.id == Token.user_id)
        .outerjoin(Grant, Grant.id == Token.grant_id)
        .outerjoin(Client, Client.id == Grant.client_id)
    )
    return Lookup("Ancestor", statement)


_ancestors = _ancestry()


def find(plaintext: str) -> Bearer:
    """Who a live developer or access token stands for. One statement, two for a token made by a token.

    Raises `InvalidToken`.
    """
    return _found(plaintext, clock.now())


def _found(plaintext: str, now: datetime) -> Bearer:
    if credentials.kind_of(plaintext) not in BEARERS:
        raise InvalidToken(Fault.UNKNOWN)
    bearer: Bearer | None = _bearer.one(digest=credentials.digest(plaintext), now=now, lately=now - usage.NOTED_EVERY)
    if bearer is None:
        raise InvalidToken(Fault.UNKNOWN)
    if bearer.fault:
        raise InvalidToken(Fault(bearer.fault), bearer)
    return _under_parents(bearer, now) if bearer.parent_id else bearer


def _under_parents(bearer: Bearer, now: datetime) -> Bearer:
    """A token made by a token dies with it and can never do more than all those above it (I-06)."""
    held, family = bearer.scopes, bearer.family
    for ancestor in _ancestors.all(parent_id=bearer.parent_id, now=now):
        if ancestor.fault:
            raise InvalidToken(Fault(ancestor.fault), bearer)
        held &= scopes.held(ancestor.scope)
        if ancestor.parent_id is None:
            family = ancestor.family
    return bearer._replace(scope=scopes.serialize(held), family=family)


def admit(plaintext: str | None, needed: Iterable[str] = (), call: str = "", *, refusing: bool = True) -> Bearer:
    """Let a call pass that has all the scopes it needs, and count it, or why it was refused; `call` names it.

    Whoever only asks beforehand, and leaves a refusal to be asked for again, is not `refusing`: that is counted then.
    Raises `NoCredential`, `InvalidToken`, `ScopeTooNarrow`.
    """
    if plaintext is None:
        raise NoCredential
    now, wanted = clock.now(), frozenset(needed)
    try:
        bearer = _found(plaintext, now)
    except InvalidToken as error:
        if refusing and error.bearer is not None:
            counting.refuse(error.bearer, call, _REASONS[error.fault], now)
        raise
    if not bearer.used_lately:
        usage.note(bearer.digest, bearer.grant_id)
    if not wanted <= bearer.scopes:
        counting.refuse(bearer, call, Reason.SCOPE, now, scopes.serialize(wanted - bearer.scopes))
        raise ScopeTooNarrow(wanted, bearer)
    counting.count(bearer, LET_PASS, call, wanted, now)
    return bearer


def turn_away(bearer: Bearer, needed: Iterable[str], call: str, reason: Reason) -> None:
    """A call that was let pass is refused after all, such as one too many."""
    counting.turn_away(bearer, call, frozenset(needed), reason, clock.now())

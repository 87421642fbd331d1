"""Access and refresh tokens, issued under a grant in the transaction that used up what they were exchanged for."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, insert, or_, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import aliased

from latchkey import activity, clock, credentials, scopes, settings
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.db import UtcDateTime
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.lookup import Command, Lookup, transaction
from latchkey.tokens import Token
from latchkey.users import User

ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_IDLE = timedelta(days=30)

_insert = Command(
    insert(Token),
    *("id", "kind", "digest", "last4", "user_id", "grant_id", "scope", "created_at"),
    *("created_address", "created_agent", "expires_at"),
)


class Under(NamedTuple):
    """The grant that tokens are issued under."""

    grant_id: str
    user_id: str | None
    expires_at: datetime


Spend = Callable[[DBAPIConnection], bool]


def exchange(
    spend: Spend, under: Under, access: frozenset[str], refresh: str, refresh_id: str | None = None
) -> dict[str, object] | None:
    """Spend a code or refresh token and issue tokens for it, in one transaction. None if it was spent before."""
    with transaction() as connection:
        if spend(connection):
            return issue(connection, under, access, refresh, refresh_id=refresh_id)
        connection.rollback()
    return None


def issue(
    connection: DBAPIConnection,
    under: Under,
    access: frozenset[str],
    refresh: str | None = None,
    *,
    refresh_id: str | None = None,
) -> dict[str, object]:
    """An access token with these scopes and, if the scope that it stands for is given, a refresh token.

    Answers the body of RFC 6749 §5.1. Nothing outlives the grant (E-08).
    """
    now = clock.now()
    expires_at = min(now + ACCESS_LIFETIME, under.expires_at)
    scope = scopes.serialize(access)
    token = credentials.generate(Kind.ACCESS)
    rows = [_row(token, Kind.ACCESS, under, scope=scope, now=now, expires_at=expires_at)]
    answer: dict[str, object] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": round((expires_at - now).total_seconds()),
    }
    if refresh is not None:
        successor = credentials.generate(Kind.REFRESH)
        idle = min(now + REFRESH_IDLE, under.expires_at)
        rows.append(_row(successor, Kind.REFRESH, under, scope=refresh, now=now, expires_at=idle, token_id=refresh_id))
        answer["refresh_token"] = successor
    _insert.run(connection, *rows)
    answer["scope"] = scope
    return answer


def _row(
    plaintext: str,
    kind: Kind,
    under: Under,
    *,
    scope: str,
    now: datetime,
    expires_at: datetime,
    token_id: str | None = None,
) -> dict[str, Any]:
    here = activity.origin.get()
    return {
        "id": token_id or new_id("tok"),
        "kind": kind.value,
        "digest": credentials.digest(plaintext),
        "last4": plaintext[-4:],
        "user_id": under.user_id,
        "grant_id": under.grant_id,
        "scope": scope,
        "created_at": now,
        "created_address": here.address,
        "created_agent": here.agent,
        "expires_at": expires_at,
    }


class Found(NamedTuple):
    """A refresh token that was presented, a retired one too, with the facts that decide about it."""

    token_id: str
    client_id: str
    user_id: str | None
    grant_id: str
    grant_expires_at: datetime
    scope: str
    retired: bool
    expired: bool
    orphaned: bool

    def check_client(self, client: Any) -> bool:
        """Whether it was issued to this client (E-10)."""
        return bool(self.client_id == client.id)

    def get_scope(self) -> str:
        """What the user agreed to: a refresh narrows and widens again within it (E-09)."""
        return self.scope


_now: Any = bindparam("now", type_=UtcDateTime)
_found = Lookup(
    "FoundRefresh",
    select(
        Token.id.label("token_id"),
        Grant.client_id,
        Grant.user_id,
        Grant.id.label("grant_id"),
        Grant.expires_at.label("grant_expires_at"),
        Grant.scope,
        Token.consumed_at.is_not(None).label("retired"),
        (Token.expires_at <= _now).label("expired"),
        or_(
            Grant.ended_at.is_not(None),
            Grant.expires_at <= _now,
            User.disabled_at.is_not(None),
            Client.suspended_at.is_not(None),
        ).label("orphaned"),
    )
    .select_from(Token)
    .join(Grant, Grant.id == Token.grant_id)
    .join(Client, Client.id == Grant.client_id)
    .join(User, User.id == Grant.user_id)
    .where(Token.digest == bindparam("digest"), Token.kind == Kind.REFRESH.value),
    row=Found,
)
_retire = Command(
    update(Token)
    .where(Token.id == bindparam("token_id"), Token.consumed_at.is_(None), Token.revoked_at.is_(None))
    .values(consumed_at=_now, successor_id=bindparam("successor"))
)
_heir = aliased(Token)
# E-07: once more, shortly after, by the immediate predecessor alone. That it was done shows in revoked_at.
_retire_again = Command(
    update(Token)
    .where(
        Token.id == bindparam("token_id"),
        Token.revoked_at.is_(None),
        Token.consumed_at > bindparam("since", type_=UtcDateTime),
        exists(
            select(_heir.id).where(
                _heir.id == Token.successor_id, _heir.consumed_at.is_(None), _heir.revoked_at.is_(None)
            )
        ),
    )
    .values(revoked_at=_now)
)


def find_refresh(plaintext: str) -> Found | None:
    """The refresh token that this is; a retired one too, so that its replay is recognised (E-05)."""
    if credentials.kind_of(plaintext) is not Kind.REFRESH:
        return None
    found: Found | None = _found.one(digest=credentials.digest(plaintext), now=clock.now())
    return found


def retire(connection: DBAPIConnection, token_id: str, successor_id: str) -> bool:
    """Let a refresh token be followed by its successor. True for exactly one caller, or two within the grace (E-06)."""
    now = clock.now()
    if _retire.run(connection, {"token_id": token_id, "now": now, "successor": successor_id}) == 1:
        return True
    grace = settings.current().refresh_grace_seconds
    if not grace:
        return False
    since = now - timedelta(seconds=grace)
    return _retire_again.run(connection, {"token_id": token_id, "now": now, "since": since}) == 1


def within(granted: str, ceiling: frozenset[str], asked: Iterable[str] | None = None) -> frozenset[str]:
    """What a new access token may do: of what was agreed what the client may still have (E-11), or less if asked.

    Raises `scopes.NoScopes` when nothing is left, `scopes.UnknownScope` when more is asked for.
    """
    allowed = scopes.held(granted) & ceiling
    wanted = frozenset(asked) if asked is not None else allowed
    if not wanted <= allowed:
        raise scopes.UnknownScope
    if not wanted:
        raise scopes.NoScopes
    return wanted

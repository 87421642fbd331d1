"""Access and refresh tokens, issued under a grant in the transaction that used up what they were exchanged for."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, insert, select
from sqlalchemy.engine.interfaces import DBAPIConnection

from latchkey import clock, credentials, origin, scopes
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.store.prepared import Command, transaction
from latchkey.tokens import Token
from oauth.token.targets import Target

ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_IDLE = timedelta(days=30)

_insert = Command(
    insert(Token),
    *("id", "kind", "digest", "last4", "user_id", "grant_id", "scope", "resource", "created_at"),
    *("created_address", "created_agent", "expires_at"),
)


# Of a statement that spends something: user and grant are held first, in the order in which deleting a user or an app
# meets them. In any other order each would wait for what the other has.
user_held = exists(select(User.id).where(User.id == bindparam("user_id")).with_for_update(read=True, key_share=True))
held = exists(
    select(Grant.id).where(Grant.id == bindparam("grant_id"), user_held).with_for_update(read=True, key_share=True)
)


class Under(NamedTuple):
    """The grant that tokens are issued under."""

    grant_id: str
    user_id: str | None
    expires_at: datetime


Spend = Callable[[DBAPIConnection], bool]


def exchange(
    ways: Sequence[Spend],
    under: Under,
    access: Target,
    refresh: str,
    *,
    refresh_id: str | None = None,
    settle: Callable[[DBAPIConnection], None] | None = None,
) -> dict[str, object] | None:
    """Spend a code or refresh token and issue tokens for it, in one transaction. None if it was spent before.

    `ways` are tried in turn, each in a transaction of its own, so that none holds what the one before has locked.
    """
    for spend in ways:
        with transaction() as connection:
            if spend(connection):
                body = issue(connection, under, access, refresh, refresh_id=refresh_id)
                if settle is not None:
                    settle(connection)
                return body
            connection.rollback()
    return None


def issue(
    connection: DBAPIConnection,
    under: Under,
    access: Target,
    refresh: str | None = None,
    *,
    refresh_id: str | None = None,
) -> dict[str, object]:
    """An access token for this target and, if the scope that it stands for is given, a refresh token.

    Answers the body of RFC 6749 §5.1. Nothing outlives the grant (E-08).
    """
    now = clock.now()
    expires_at = min(now + ACCESS_LIFETIME, under.expires_at)
    scope = scopes.serialize(access.scopes)
    token = credentials.generate(Kind.ACCESS)
    rows = [_row(token, Kind.ACCESS, under, scope=scope, resource=access.resource, now=now, expires_at=expires_at)]
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
    resource: str | None = None,
    token_id: str | None = None,
) -> dict[str, Any]:
    here = origin.current.get()
    return {
        "id": token_id or new_id("tok"),
        "kind": kind.value,
        "digest": credentials.digest(plaintext),
        "last4": plaintext[-4:],
        "user_id": under.user_id,
        "grant_id": under.grant_id,
        "scope": scope,
        "resource": resource,
        "created_at": now,
        "created_address": here.address,
        "created_agent": here.agent,
        "expires_at": expires_at,
    }

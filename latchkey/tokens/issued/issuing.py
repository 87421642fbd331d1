"""Access and refresh tokens, issued under a grant in the transaction that used up what they were exchanged for."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, insert, select
from sqlalchemy.engine.interfaces import DBAPIConnection

from latchkey import clock, credentials, scopes
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.store.prepared import PreparedWrite, transaction
from latchkey.store.session import db
from latchkey.tokens.record import Token, columns

ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_IDLE = timedelta(days=30)

_insert = PreparedWrite(
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
    """The grant that tokens are issued under, and what an access token may do: within which scopes, at which APIs."""

    grant_id: str
    user_id: str | None
    expires_at: datetime
    scopes: frozenset[str]
    resource: str | None = None


class Issued(NamedTuple):
    """What an app was issued: strings that exist only here, and what it is told of them."""

    access: str
    refresh: str | None
    scope: str
    seconds: int


Spend = Callable[[DBAPIConnection], bool]


def exchange(
    ways: Sequence[Spend],
    under: Under,
    refresh: str,
    *,
    refresh_id: str | None = None,
    settle: Callable[[DBAPIConnection], None] | None = None,
) -> Issued | None:
    """Spend a code or refresh token and issue tokens for it, in one transaction. None if it was spent before.

    `ways` are tried in turn, each in a transaction of its own, so that none holds what the one before has locked.
    """
    for spend in ways:
        with transaction() as connection:
            if spend(connection):
                tokens = issue(connection, under, refresh, refresh_id=refresh_id)
                if settle is not None:
                    settle(connection)
                return tokens
            connection.rollback()
    return None


def issue(
    connection: DBAPIConnection, under: Under, refresh: str | None = None, *, refresh_id: str | None = None
) -> Issued:
    """An access token and, given the scope that it stands for, a refresh token. Neither outlives the grant (E-08)."""
    now = clock.now()
    expires_at = min(now + ACCESS_LIFETIME, under.expires_at)
    token, scope = credentials.generate(Kind.ACCESS), scopes.serialize(under.scopes)
    shared = {"user_id": under.user_id, "grant_id": under.grant_id, "created_at": now}
    kept = {"id": new_id("tok"), "scope": scope, "resource": under.resource, "expires_at": expires_at}
    rows = [columns(token, Kind.ACCESS) | shared | kept]
    successor = None
    if refresh is not None:
        successor = credentials.generate(Kind.REFRESH)
        idle = min(now + REFRESH_IDLE, under.expires_at)
        kept = {"id": refresh_id or new_id("tok"), "scope": refresh, "resource": None, "expires_at": idle}
        rows.append(columns(successor, Kind.REFRESH) | shared | kept)
    _insert.run(connection, *rows)
    return Issued(token, successor, scope, round((expires_at - now).total_seconds()))


def remove_unused(begun: Iterable[str | None]) -> None:
    """Remove those of these grants under which no token was issued: sign-ins that nobody went on with."""
    unused = Grant.id.in_([each for each in begun if each]), ~exists().where(Token.grant_id == Grant.id)
    db.execute(delete(Grant).where(*unused).execution_options(synchronize_session=False))

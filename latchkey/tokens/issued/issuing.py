"""Issuing access and refresh tokens under a grant, in the transaction that spends the code or token they replace."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    String,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import UpdateBase

from latchkey import clients, clock, credentials, origin, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.grants import Grant, sign_ins
from latchkey.ids import new_id
from latchkey.store.drivers.transactions import Undo, transaction
from latchkey.store.exchanges import PreparedExchange, Row
from latchkey.store.prepared import PreparedWrite
from latchkey.store.session import Base, UtcDateTime, db
from latchkey.tokens.record import Token

ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_IDLE = timedelta(days=30)

Facts: TypeAlias = dict[str, Any]


def _row(kind: Kind, name: str) -> Row:
    """The columns of a new token. Parameters that begin with `name` are its own, the others shared by the statement."""
    own = {
        **{column: bindparam(f"{name}_{column}", type_=String) for column in ("id", "last4", "scope", "resource")},
        "digest": bindparam(f"{name}_digest", type_=LargeBinary),
        "expires_at": bindparam(f"{name}_expires_at", type_=UtcDateTime),
    }
    shared = {
        **{column: bindparam(column, type_=String) for column in ("user_id", "grant_id")},
        "created_at": bindparam("now", type_=UtcDateTime),
        "created_address": bindparam("address", type_=String),
        "created_agent": bindparam("agent", type_=String),
    }
    return {"kind": literal_column(f"'{kind}'")} | own | shared


_access, _refresh = _row(Kind.ACCESS, "access"), {**_row(Kind.REFRESH, "refresh"), "resource": null()}
_insert = PreparedWrite(insert(Token).values([_access, _refresh]))
_as_itself = PreparedExchange(sign_ins.BEGIN, Token, _access)


def for_both(spend: UpdateBase) -> PreparedExchange:
    """An exchange: what `spend` uses up, for an access and a refresh token."""
    return PreparedExchange(spend, Token, _access, _refresh)


# A statement that spends something locks user and grant first, in the order in which deleting a user or an app locks
# them: any other order could deadlock. The user is locked fully, since a key lock is also given beside a deletion that
# has the grant already.
user_held = exists(select(User.id).where(User.id == bindparam("user_id")).with_for_update(read=True))
held = exists(
    select(Grant.id).where(Grant.id == bindparam("grant_id"), user_held).with_for_update(read=True, key_share=True)
)


def asked_in(record: type[Base], session_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """The condition that the session it was granted in has not ended: what a thief's session grants ends with it."""
    session = BrowserSession.id == session_id, BrowserSession.ended_at.is_(None)
    return exists(select(BrowserSession.id).where(*session)).correlate(record)


class Under(NamedTuple):
    """The grant that tokens are issued under, and the scopes and APIs of the new access token."""

    grant_id: str
    user_id: str | None
    expires_at: datetime
    scopes: frozenset[str]
    resource: str | None = None


class Issued(NamedTuple):
    """What an app is issued: the plaintexts, which exist only here, and what the answer says of them."""

    access: str
    refresh: str | None
    scope: str
    seconds: int


Insert: TypeAlias = Callable[[], object]
# A second way to spend it if the first fails: takes the parameters and a function that inserts the tokens, and returns
# whether it called that.
Otherwise: TypeAlias = Callable[[DBAPIConnection, Facts, Insert], bool]


def exchange(
    given: PreparedExchange,
    facts: Facts,
    under: Under,
    refresh: str,
    *,
    otherwise: Otherwise | None = None,
) -> Issued | None:
    """Spend a code or refresh token and issue tokens for it, in one transaction. None if it was used before.

    `facts` are the parameters of what uses it up, with `now`; `refresh` is the scope that a refresh token stands for.
    `otherwise` is tried in a transaction of its own, which holds nothing of what was locked before.
    """
    now = facts["now"]
    tokens, row = _issued(under, now)
    successor = credentials.generate(Kind.REFRESH)
    # Neither token outlives the grant (E-08).
    idle = min(now + REFRESH_IDLE, under.expires_at)
    row |= _columns("refresh", successor, refresh, idle, new_id("tok")) | facts
    tokens = tokens._replace(refresh=successor)
    if given.run(row):
        return tokens
    if otherwise is not None:
        with suppress(Undo), transaction() as connection:
            if otherwise(connection, row, lambda: _insert.run(connection, row.copy())):
                return tokens
            raise Undo
    return None


def as_itself(client_id: str, proofs_ended: int, wanted: frozenset[str], resource: str | None) -> Issued:
    """Issue a token to an app that acts as itself (RFC 6749 §4.4), under a grant of its own.

    `proofs_ended` is how often its secrets or keys had been ended when it proved itself. Raises `ClientGone`, also
    where they were since.
    """
    now, grant_id = clock.now(), new_id("grt")
    ends_at = now + ACCESS_LIFETIME
    tokens, row = _issued(Under(grant_id, None, ends_at, wanted, resource), now)
    begun = {
        "client_id": client_id,
        "proofs_ended": proofs_ended,
        "scope": tokens.scope,
        "resource": resource,
        "ends_at": ends_at,
        "now": now,
    }
    if not _as_itself.run(row | begun):
        raise clients.ClientGone
    return tokens


def _issued(under: Under, now: datetime) -> tuple[Issued, Facts]:
    """A new access token, and the parameters for its row."""
    token, scope = credentials.generate(Kind.ACCESS), scopes.serialize(under.scopes)
    expires_at, here = min(now + ACCESS_LIFETIME, under.expires_at), origin.current.get()
    row = _columns("access", token, scope, expires_at, new_id("tok"))
    row["access_resource"] = under.resource
    row |= {"user_id": under.user_id, "grant_id": under.grant_id, "address": here.address, "agent": here.agent}
    return Issued(token, None, scope, round((expires_at - now).total_seconds())), row


def _columns(name: str, plaintext: str, scope: str, expires_at: datetime, id_: str) -> Facts:
    return {
        f"{name}_id": id_,
        f"{name}_digest": credentials.digest(plaintext),
        f"{name}_last4": plaintext[-4:],
        f"{name}_scope": scope,
        f"{name}_expires_at": expires_at,
    }


def remove_unused(begun: Iterable[str | None]) -> None:
    """Remove those of these grants under which no token was issued: sign-ins that were never completed."""
    unused = Grant.id.in_([each for each in begun if each]), ~exists().where(Token.grant_id == Grant.id)
    db.execute(delete(Grant).where(*unused).execution_options(synchronize_session=False))

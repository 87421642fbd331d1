"""Refresh tokens: exchanged for a successor once, or twice within the grace period, and recognised when replayed."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, case, exists, literal_column, or_, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import aliased

from latchkey import clock, credentials, settings
from latchkey.accounts.users import User
from latchkey.clients import Client, redirects
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.prepared import PreparedSelect, PreparedWrite
from latchkey.store.session import UtcDateTime
from latchkey.tokens.issued import issuing, room
from latchkey.tokens.issued.issuing import Facts, Insert, Issued, Under
from latchkey.tokens.record import Token


class Found(NamedTuple):
    """A refresh token that was presented, a retired one too, with the facts that decide about it."""

    token_id: str
    client_id: str
    user_id: str | None
    grant_id: str
    grant_expires_at: datetime
    scope: str
    resource: str | None
    # The redirect URI of the sign-in, and those that the document of an app that describes itself names now.
    redirect_uri: str | None
    described_uris: list[str] | None
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
_columns: tuple[Any, ...] = (
    Token.id.label("token_id"),
    Grant.client_id,
    Grant.user_id,
    Grant.id.label("grant_id"),
    Grant.expires_at.label("grant_expires_at"),
    Grant.scope,
    Grant.resource,
    Grant.redirect_uri,
    case((Client.document_url.is_not(None), Client.redirect_uris)).label("described_uris"),
    Token.consumed_at.is_not(None).label("retired"),
    (Token.expires_at <= _now).label("expired"),
    or_(
        Grant.ended_at.is_not(None),
        Grant.expires_at <= _now,
        User.disabled_at.is_not(None),
        Client.suspended_at.is_not(None),
    ).label("orphaned"),
)
# Not a parameter: partial indexes depend on its value, so SQLite would compile the statement again for each.
_presented = and_(Token.digest == bindparam("digest"), Token.kind == literal_column(f"'{Kind.REFRESH}'"))
_found = PreparedSelect(
    "FoundRefresh",
    select(*_columns)
    .select_from(Token)
    .join(Grant, Grant.id == Token.grant_id)
    .join(Client, Client.id == Grant.client_id)
    .join(User, User.id == Grant.user_id)
    .where(_presented),
    row=Found,
)

_this = Token.id == bindparam("token_id")
_unused = (Token.consumed_at.is_(None), Token.revoked_at.is_(None))
_other = aliased(Token)
_others_place = (
    select(_other.successor_id)
    .where(_other.id == bindparam("token_id"), _other.consumed_at.is_(None), _other.revoked_at.is_(None))
    .scalar_subquery()
)

# Only if it has no rival. Of all that use it at the same time exactly one succeeds (E-06).
_retire = issuing.for_both(
    update(Token)
    .where(_this, *_unused, Token.successor_id.is_(None), issuing.held)
    .values(consumed_at=_now, successor_id=bindparam("refresh_id"))
)
# Serialises the uses of one grant until the commit. The row is locked, not changed: most of these attempts are rolled
# back, and PostgreSQL can mistake a change that was just undone for one that is still under way.
_hold = PreparedWrite(
    select(Grant.id).where(Grant.id == bindparam("grant_id"), issuing.user_held).with_for_update(key_share=True)
)
# Ends the branch that was not used. Until one of two branches is used, each names the other.
_end_rival = PreparedWrite(update(Token).where(Token.id == _others_place, *_unused).values(revoked_at=_now))
_retire_branch = PreparedWrite(
    update(Token).where(_this, *_unused).values(consumed_at=_now, successor_id=bindparam("refresh_id"))
)
# E-07: the immediate predecessor may be used once more within the grace period; `revoked_at` records that it was.
_retire_again = PreparedWrite(
    update(Token)
    .where(
        _this,
        Token.revoked_at.is_(None),
        Token.consumed_at > bindparam("since", type_=UtcDateTime),
        exists(
            select(_other.id).where(
                _other.id == Token.successor_id, _other.consumed_at.is_(None), _other.revoked_at.is_(None)
            )
        ),
    )
    .values(revoked_at=_now)
)
_first = select(_other.successor_id).where(_other.id == bindparam("token_id")).scalar_subquery()
_name_second = PreparedWrite(
    update(Token)
    .where(Token.id == _first, *_unused, Token.successor_id.is_(None))
    .values(successor_id=bindparam("refresh_id"))
)
_name_first = PreparedWrite(update(Token).where(Token.id == bindparam("refresh_id")).values(successor_id=_first))


def beside(asked: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """A statement about a client with the columns of `Found` added; they are empty if the token is not the client's."""
    issued = asked.add_columns(*_columns).outerjoin(Token, _presented)
    under = and_(Grant.id == Token.grant_id, Grant.client_id == Client.id)
    return issued.outerjoin(Grant, under).outerjoin(User, User.id == Grant.user_id)


def digest_of(plaintext: str) -> bytes | None:
    """The digest of a refresh token; None if the string does not have the form of one."""
    if credentials.kind_of(plaintext) is not Kind.REFRESH and not credentials.may_be_foreign(plaintext):
        return None
    return credentials.digest(plaintext)


def find(plaintext: str) -> Found | None:
    """The refresh token that this is; a retired one too, so that its replay is recognised (E-05).

    Also None if the app's metadata document no longer names the redirect URI of this sign-in.
    """
    digest = digest_of(plaintext)
    found: Found | None = None if digest is None else _found.one(digest=digest, now=clock.now())
    if found is None or not redirects.still_named(found.redirect_uri, found.described_uris):
        return None
    return found


def exchange(old: Found, under: Under) -> Issued | None:
    """Retire a refresh token and issue tokens for it, in one transaction; None if it was used before.

    Two successors of one token are two branches: the first use of either ends the other.
    """
    facts = {"token_id": old.token_id, "now": clock.now()}
    issued = issuing.exchange(_retire, facts, under, old.scope, otherwise=_again)
    room.note(old.token_id, old.user_id, old.grant_id)
    return issued


def _again(connection: DBAPIConnection, facts: Facts, insert: Insert) -> bool:
    """Retire one of two branches, which ends the other; or make a second branch, once within the grace (E-07)."""
    _hold.run(connection, facts.copy())
    _end_rival.run(connection, facts.copy())
    if _retire_branch.run(connection, facts.copy()) == 1:
        insert()
        return True
    grace = timedelta(seconds=settings.current().refresh_grace_seconds)
    if not grace or _retire_again.run(connection, facts | {"since": facts["now"] - grace}) != 1:
        return False
    if _name_second.run(connection, facts.copy()) != 1:
        return False
    insert()
    # Only now that the second one exists can the first name it.
    _name_first.run(connection, facts.copy())
    return True

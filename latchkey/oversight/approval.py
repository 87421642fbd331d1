"""Tokens and apps that ask for a scope which an administrator has to approve, and the decision."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Subquery, and_, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from latchkey import clients, clock, notices, scopes, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.store.session import db
from latchkey.tokens import Token

MOST = 50


class OwnRequest(Exception):
    """Nobody decides about what they ask for themselves."""


class NothingWaits(Exception):
    """It was decided or ended meanwhile."""


class Changed(Exception):
    """It asks for something else than whoever decides has read."""


class Waiting(NamedTuple):
    """What waits, as much as a page holds, and how many more there are."""

    tokens: list[Token]
    apps: list[Client]
    more: int


def waiting() -> Waiting:
    """Tokens and apps that wait: each owner's longest, then each one's next. Nobody's many hide those of others."""
    first = _by_turns(Token.id, Token.user_id, *_held())
    found = select(Token).join(first, first.c.id == Token.id).options(joinedload(Token.user))
    first_apps = _by_turns(Client.id, Client.owner_id, _APPS)
    asking = select(Client).join(first_apps, first_apps.c.id == Client.id)
    listed = (
        list(db.scalars(found.order_by(first.c.turn, Token.id))),
        list(db.scalars(asking.order_by(first_apps.c.turn, Client.id))),
    )
    return Waiting(*listed, more=max(0, count() - len(listed[0]) - len(listed[1])))


_APPS = Client.waiting_since.is_not(None)


def _held() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Of tokens, which wait, those without an end and those with one: one that has ended by itself does so no more.

    Apart, SQLite reads each along the index and none that has ended.
    """
    waits = and_(Token.waiting_since.is_not(None), Token.revoked_at.is_(None))
    return and_(waits, Token.expires_at.is_(None)), and_(waits, Token.expires_at > clock.now())


def _by_turns(
    id: InstrumentedAttribute[str], owner: InstrumentedAttribute[str | None], *which: ColumnElement[bool]
) -> Subquery:
    found = union_all(*(select(id.label("id"), owner.label("owner")).where(each) for each in which)).subquery()
    turn = func.row_number().over(partition_by=found.c.owner, order_by=found.c.id).label("turn")
    ranked = select(found.c.id, turn).subquery()
    return select(ranked).order_by(ranked.c.turn, ranked.c.id).limit(MOST).subquery()


def count(most: int | None = None) -> int:
    """How many requests wait; `most` of each kind are looked at, where it is only told that there are more."""
    held = [select(Token.id).where(each).limit(most).subquery() for each in _held()]
    apps = select(Client.id).where(_APPS).limit(most).subquery()
    numbers = [select(func.count()).select_from(which).scalar_subquery() for which in (*held, apps)]
    return sum(db.execute(select(*numbers)).one())


def asked_by(holder: Token | Client) -> frozenset[str]:
    """What somebody decides about."""
    return scopes.waiting(holder.scopes) if isinstance(holder, Token) else holder.waiting_scopes


def decide_token(token_id: str, *, by: User, approve: bool, shown: frozenset[str]) -> Token:
    """Let a token work with the scopes that were `shown`, or revoke it; its owner reads which.

    Raises `OwnRequest`, `NothingWaits`, `Changed`.
    """
    token = db.get(Token, token_id)
    owner = users.lock(token.user_id) if token is not None and token.user_id is not None else None
    token = db.get(Token, token_id, populate_existing=True, with_for_update=True)
    if owner is None or token is None or token.status != "waiting":
        raise NothingWaits
    if owner.id == by.id:
        raise OwnRequest
    asked, name = asked_by(token), token.description or token.id
    if asked != shown:
        raise Changed
    token.waiting_since = None
    db.flush()
    if not approve:
        tokens.revoke(token)
    notices.approval_decided(owner, name, asked, approved=approve, path=f"/tokens/{token.id}")
    acts.record(ActKind.APPROVAL_GIVEN if approve else ActKind.APPROVAL_REFUSED, token.id, f"{name}, {owner.email}")
    return token


def decide_client(client_id: str, *, by: User, approve: bool, shown: frozenset[str]) -> Client:
    """Let an app ask for what it waits for and was `shown`, or not; its owner reads which. Raises as `decide_token`."""
    client = clients.lock(client_id)
    if client is None or client.owner is None or client.waiting_since is None:
        raise NothingWaits
    if client.owner_id == by.id:
        raise OwnRequest
    asked = asked_by(client)
    if asked != shown:
        raise Changed
    if approve:
        client.scope = scopes.serialize(client.scopes | asked)
    client.waiting_scope, client.waiting_since = "", None
    db.flush()
    notices.approval_decided(client.owner, client.name, asked, approved=approve, path=f"/apps/{client.id}")
    target = f"{client.name}, {client.owner.email}"
    acts.record(ActKind.APPROVAL_GIVEN if approve else ActKind.APPROVAL_REFUSED, client.id, target)
    return client

"""Tokens that made tokens: a family stands and falls together, and is held together while one of it makes something."""

from sqlalchemy import CTE, BindParameter, select
from sqlalchemy.orm import aliased

from latchkey import clients
from latchkey.accounts import users
from latchkey.grants import Grant
from latchkey.store.conflicts import Gone
from latchkey.store.session import db
from latchkey.tokens.record import Token

# How many generations may hang below a token: each is looked at with every call of the youngest.
DEEPEST = 5


class ParentEnded(Gone):
    """The token that a call came with ended, was replaced or paused, since the call was let pass."""


class ChainTooLong(Exception):
    """The token was made by a token that was made by a token, and so on, too often already."""


def line_of(token_id: str | BindParameter[str]) -> CTE:
    """The ids of a token and of all those above it, `id` and `parent_id` of each."""
    line = select(Token.id, Token.parent_id).where(Token.id == token_id).cte("above", recursive=True)
    elder = aliased(Token)
    return line.union_all(select(elder.id, elder.parent_id).join(line, elder.id == line.c.parent_id))


def hold(token_id: str, digest: bytes) -> list[Token]:
    """A live token and all those above it, the oldest first; none ends, is replaced or paused before the commit.

    `digest` is of the string that was presented: a regenerated token has another. Raises `ParentEnded`,
    `users.UserGone`, `clients.ClientGone`.
    """
    known = db.execute(select(Token.user_id, Token.grant_id).where(Token.id == token_id)).one_or_none()
    if known is None:
        raise ParentEnded
    if known.user_id is not None and users.hold(known.user_id).paused_at is not None:
        raise ParentEnded
    line = line_of(token_id)
    elders = db.scalars(select(Token).join(line, line.c.id == Token.id)).all()
    for grant_id in {elder.grant_id for elder in elders if elder.grant_id}:
        _hold_grant(grant_id)
    held = _locked([elder.id for elder in elders])
    own = held.get(token_id)
    if len(held) < len(elders) or own is None or own.digest != digest:
        raise ParentEnded
    if any(token.status != "active" or token.consumed_at is not None for token in held.values()):
        raise ParentEnded
    chain = [own]
    while chain[0].parent_id is not None:
        chain.insert(0, held[chain[0].parent_id])
    return chain


def room_under(parent: Token) -> list[Token]:
    """The same, if the token may still make others. Raises `ChainTooLong`, and what `hold` does."""
    chain = hold(parent.id, parent.digest)
    if len(chain) > DEEPEST:
        raise ChainTooLong
    return chain


def _hold_grant(grant_id: str) -> None:
    grant = db.get(Grant, grant_id)
    if grant is None:
        raise ParentEnded
    clients.share(grant.client_id)
    statement = select(Grant).where(Grant.id == grant_id).with_for_update(of=Grant, read=True)
    held = db.scalar(statement.execution_options(populate_existing=True))
    if held is None or not held.live:
        raise ParentEnded


def _locked(token_ids: list[str]) -> dict[str, Token]:
    statement = select(Token).where(Token.id.in_(token_ids)).order_by(Token.id)
    locking = statement.with_for_update(of=Token, key_share=True)
    return {token.id: token for token in db.scalars(locking.execution_options(populate_existing=True))}

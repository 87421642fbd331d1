"""Which tokens made or changed which apps, so that a leak is followed to what was done with it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, String, exists, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.session import Base, db, stamp
from latchkey.store.sweeping import sweep
from latchkey.tokens.record import Token


class Trace(Base):
    """A client was made or changed with a token: a row for the token, each token above it, and its grant.

    Whichever of them is found to have leaked, the client is found by it, also when the token itself is long gone.
    """

    __tablename__ = "client_trace"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    # Of a token or a grant.
    source_id: Mapped[str] = mapped_column(String(40), primary_key=True, index=True)
    # Whether the client was made with it, else it was only changed.
    made: Mapped[bool]
    at: Mapped[datetime] = mapped_column(default=stamp)


def leave(client: Client, lineage: Iterable[Token], *, made: bool = False) -> None:
    """Keep that a client was made or changed with the youngest of these, which the caller holds."""
    left = {source for token in lineage for source in (token.id, token.grant_id) if source}
    known = db.scalars(select(Trace).where(Trace.client_id == client.id, Trace.source_id.in_(left))).all()
    for trace in known:
        trace.at = clock.now()
    new = sorted(left - {trace.source_id for trace in known})
    db.add_all(Trace(client_id=client.id, source_id=source, made=made) for source in new)
    db.flush()


def made_or_changed(token: Token) -> list[Client]:
    """The clients that were made or changed with a token, one that it made, or another of its sign-in."""
    return _traced(Trace.source_id.in_([source for source in (token.id, token.grant_id) if source]))


def of_user(user: User, *, sign_ins: bool) -> list[Client]:
    """The same for every live developer token of a user and, if asked, every sign-in of apps that act for them."""
    live = select(Token.id).where(Token.user_id == user.id, Token.kind == Kind.DEVELOPER, Token.revoked_at.is_(None))
    signed_in = select(Grant.id).where(Grant.user_id == user.id, Grant.ended_at.is_(None))
    with_tokens = Trace.source_id.in_(live)
    return _traced(or_(with_tokens, Trace.source_id.in_(signed_in)) if sign_ins else with_tokens)


def _traced(which: ColumnElement[bool]) -> list[Client]:
    """In the order of locks."""
    touched = select(Trace.client_id).where(which)
    return list(db.scalars(select(Client).where(Client.id.in_(touched)).order_by(Client.id)))


def purge() -> bool:
    """Remove some traces of tokens and grants that are gone themselves; whether there may be more."""
    kept = or_(exists().where(Token.id == Trace.source_id), exists().where(Grant.id == Trace.source_id))
    return sweep(Trace, ~kept)

"""Tokens that ended long ago, and sign-ins past their end with what is left of theirs."""

from datetime import timedelta

from sqlalchemy import select, text

from latchkey import clock
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.store.sweeping import sweep
from latchkey.tokens import KEPT, Token
from latchkey.tokens.indexes import NOT_REFRESH

# An ended access token is kept only so that it is told from an unknown one.
ACCESS_KEPT = timedelta(days=1)
# Grants at a time: each may have thousands of tokens, which are removed before it.
GRANTS_AT_A_TIME = 50


def purge() -> bool:
    """Remove some of them; whether there may be more."""
    now = clock.now()
    # Written exactly as in the partial index, or SQLite does not use it.
    expiring = text(f"token.{NOT_REFRESH}")
    return (
        sweep(Token, expiring, Token.kind == Kind.ACCESS, Token.expires_at < now - ACCESS_KEPT)
        or sweep(Token, expiring, Token.kind == Kind.DEVELOPER, Token.expires_at < now - KEPT)
        or sweep(Token, Token.kind == Kind.DEVELOPER, Token.revoked_at < now - KEPT)
        or _purge_sign_ins()
    )


def _purge_sign_ins() -> bool:
    """Remove some grants past their absolute end; until then retired refresh tokens stay recognisable (E-14)."""
    past = select(Grant.id).where(Grant.expires_at < clock.now()).order_by(Grant.expires_at, Grant.id)
    found = db.scalars(past.limit(GRANTS_AT_A_TIME)).all()
    if not found:
        return False
    if sweep(Token, Token.grant_id.in_(found)):
        return True
    sweep(Grant, Grant.id.in_(found))
    return len(found) == GRANTS_AT_A_TIME

"""How many developer tokens a user may have at a time."""

from sqlalchemy import func, or_, select

from latchkey import clock, settings
from latchkey.accounts.limits import QuotaReached
from latchkey.credentials import Kind
from latchkey.store.session import db
from latchkey.tokens.record import Token


def live(user_id: str) -> int:
    """How many live tokens a user has."""
    counted = select(func.count()).where(
        Token.user_id == user_id,
        Token.kind == Kind.DEVELOPER,
        Token.revoked_at.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > clock.now()),
    )
    return db.scalars(counted).one()


def check(user_id: str) -> None:
    """Whether there is room for one more; the user is locked. Raises `QuotaReached`."""
    most = settings.current().quota_tokens
    if live(user_id) >= most:
        raise QuotaReached(f"An account has at most {most:,} live tokens. Revoke some first.")

"""A user's developer tokens as the portal lists them, in one statement; and how many they may have."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import load_only

from latchkey import clock, settings
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.users import User
from latchkey.store.session import db
from latchkey.tokens.indexes import UNREVOKED
from latchkey.tokens.listing import statements
from latchkey.tokens.listing.conditions import ACTIVE, MINE
from latchkey.tokens.listing.wanted import FILTERS, LAST_PAGE, MOST_CHOSEN, PAGE, SORTS, Wanted
from latchkey.tokens.record import DISUSED, SOON, Token

__all__ = [
    "FILTERS",
    "LAST_PAGE",
    "MOST_CHOSEN",
    "PAGE",
    "SORTS",
    "Listing",
    "Wanted",
    "check_quota",
    "latest",
    "listing",
    "live",
    "matching",
    "newest",
    "number",
]


class Listing(NamedTuple):
    """A page of tokens, how many match among those that work and those that ended, and how many a filter leaves."""

    tokens: list[Token]
    active: int
    ended: int
    every: int
    never_used: int
    expires_soon: int
    no_expiry: int

    def matching(self, status: str) -> int:
        """How many rows all pages have together."""
        return self.active if status == "active" else self.ended


def listing(user: User, wanted: Wanted) -> Listing:
    """One page of a user's tokens with all the counts, in one statement."""
    read = db.execute(statements.page(wanted), _given(user) | statements.given(wanted)).all()
    return Listing([row[0] for row in read if row[0] is not None], *read[0][1:])


def _given(user: User) -> dict[str, Any]:
    now = clock.now()
    return {"user": user.id, "now": now, "soon": now + SOON, "idle": now - DISUSED}


def latest(user: User) -> list[tuple[str, str]]:
    """Ids and descriptions of the tokens that a user made last and that work."""
    rows = select(Token.id, Token.description).where(MINE, ACTIVE).order_by(Token.id.desc()).limit(PAGE)
    return [(str(row.id), row.description or "") for row in db.execute(rows, _given(user))]


def newest(user: User, most: int) -> list[Token]:
    """The tokens that a user made last and that work, as they are listed."""
    rows = select(Token).where(MINE, ACTIVE).order_by(Token.id.desc()).limit(most)
    return list(db.scalars(rows.options(load_only(*statements.SHOWN, raiseload=True)), _given(user)))


def live(user: User, token_ids: Iterable[str]) -> list[Token]:
    """Those of some tokens that are a user's and work."""
    mine = select(Token).where(MINE, ACTIVE, Token.id.in_(list(token_ids)))
    return list(db.scalars(mine.order_by(Token.id.desc()), _given(user)))


def matching(user: User, wanted: Wanted) -> list[str]:
    """The ids of a user's live tokens that match, on whatever page, the first of many."""
    return list(db.scalars(statements.ids(wanted), _given(user) | statements.given(wanted)))


def number(user_id: str) -> int:
    """How many live tokens a user has; however many have ended, these alone are looked at."""
    mine = select(func.count()).where(Token.user_id == user_id, text(UNREVOKED))
    lasting, ending = mine.where(Token.expires_at.is_(None)), mine.where(Token.expires_at > clock.now())
    return int(db.scalars(select(lasting.scalar_subquery() + ending.scalar_subquery())).one())


def check_quota(user_id: str) -> None:
    """Whether there is room for one more; the user is locked. Raises `QuotaReached`."""
    most = settings.current().quota_tokens
    if number(user_id) >= most:
        raise QuotaReached(f"An account has at most {most:,} live tokens. Revoke some first.")

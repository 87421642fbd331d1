"""Room for refresh tokens: how many retired ones are kept of one sign-in, which an app can refresh without end.

Nothing is counted where tokens are exchanged. One exchange of many has its sign-in looked at, a moment later and
elsewhere; so a sign-in has a few hundred more at times.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, or_, select

from latchkey import clock
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.store.sweeping import sweep
from latchkey.tokens.issued.issuing import REFRESH_IDLE
from latchkey.tokens.record import Token


class Bounds(NamedTuple):
    """How many refresh tokens of a sign-in are kept, and how old one must be before it is forgotten."""

    most: int
    age: timedelta


# Who holds one that a thief used comes with it while it would have worked, and that is told (E-05). So many in that
# time are one in 52 seconds, day and night.
OF_ONE = Bounds(50_000, REFRESH_IDLE)
# Whoever has so many under all sign-ins together keeps only these of one that goes on, or apps enough would make more
# of them than any bound of one sign-in.
MANY_OF_USER, OF_ONE_OF_MANY = 100_000, Bounds(2_000, timedelta(days=1))
# Nobody is told anything by a replay in a sign-in that is over.
OVER = Bounds(0, timedelta(0))
# How ids end of which one in 256 does: behind their moment they are random.
LOOKED_AT = "00"
# A second's work at most, beside which uses are written; the rest is left to the next one.
MOST_PARTS = 10

_crowded: dict[str, str] = {}


def note(token_id: str, user_id: str | None, grant_id: str) -> None:
    """A refresh token was used; one such use of many has its sign-in looked at."""
    if user_id is not None and token_id.endswith(LOOKED_AT):
        _crowded[grant_id] = user_id


def make() -> list[str]:
    """Remove what is dead and too old under the sign-ins that were noted.

    Returns those that have too many where none may be forgotten yet. A thief who refreshed on would be rid of whoever
    has what they took, so these have to end; then this removes what is left.
    """
    endless = []
    for grant_id in list(_crowded):
        user_id = _crowded.pop(grant_id)
        bounds = _bounds(grant_id, user_id)
        beyond = db.execute(_newest(Token.grant_id == grant_id).offset(bounds.most).limit(1)).one_or_none()
        if beyond is None:
            continue
        if bounds is not OVER and beyond.created_at > clock.now() - bounds.age:
            endless.append(grant_id)
            more = True
        else:
            more = _remove(grant_id, beyond.id)
        if more:
            _crowded.setdefault(grant_id, user_id)
    db.rollback()
    return endless


def _bounds(grant_id: str, user_id: str) -> Bounds:
    if db.scalar(select(Grant.id).where(Grant.id == grant_id, Grant.ended_at.is_not(None))) is not None:
        return OVER
    of_user = _newest(Token.user_id == user_id).offset(MANY_OF_USER - 1).limit(1)
    return OF_ONE if db.execute(of_user).one_or_none() is None else OF_ONE_OF_MANY


def _newest(whose: Any) -> Select[str, datetime]:
    return select(Token.id, Token.created_at).where(whose, Token.kind == Kind.REFRESH).order_by(Token.id.desc())


def _remove(grant_id: str, newest: str) -> bool:
    """Remove what is dead up to a token, a second's work at most; whether there may be more."""

    def part() -> bool:
        # What still works stays, however old it is.
        dead = or_(Token.consumed_at.is_not(None), Token.expires_at <= clock.now())
        more = sweep(Token, Token.grant_id == grant_id, Token.id <= newest, dead)
        db.commit()
        return more

    return all(conflicts.again(part) for _ in range(MOST_PARTS))

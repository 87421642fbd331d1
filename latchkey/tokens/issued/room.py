"""Room for refresh tokens: how many retired ones are kept of one sign-in, which an app can refresh without end.

Nothing is counted where tokens are exchanged. One exchange of many has its sign-in looked at, a moment later and
elsewhere; so a sign-in has a few hundred more at times.
"""

from typing import Any

from sqlalchemy import Select, or_, select

from latchkey import clock
from latchkey.credentials import Kind
from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.store.sweeping import sweep
from latchkey.tokens.record import Token

# More than come of an app that refreshes each hour until its sign-in ends (E-08): every replay of those is told (E-05).
MOST = 5_000
# Whoever has so many under all sign-ins together keeps only these of one that goes on, or apps enough would make more
# of them than any bound of one sign-in.
MANY_OF_USER, MOST_OF_MANY = 100_000, 500
# How ids end of which one in 256 does: behind their moment they are random.
LOOKED_AT = "00"
# A second's work at most, beside which uses are written; the rest is left to the next one.
MOST_PARTS = 10

_crowded: dict[str, str] = {}


def note(token_id: str, user_id: str | None, grant_id: str) -> None:
    """A refresh token was used; one such use of many has its sign-in looked at."""
    if user_id is not None and token_id.endswith(LOOKED_AT):
        _crowded[grant_id] = user_id


def make() -> int:
    """Remove what is dead and too old under the sign-ins that were noted; of how many something was too much."""
    removed = 0
    for grant_id in list(_crowded):
        user_id = _crowded.pop(grant_id)
        if (newest := db.scalar(_beyond(grant_id, user_id))) is None:
            continue
        removed += 1
        # What still works stays, however old it is.
        dead = or_(Token.consumed_at.is_not(None), Token.expires_at <= clock.now())
        parts = 0
        while parts < MOST_PARTS and _remove(Token.grant_id == grant_id, Token.id <= newest, dead):
            parts += 1
        if parts == MOST_PARTS:
            _crowded.setdefault(grant_id, user_id)
    db.rollback()
    return removed


def _beyond(grant_id: str, user_id: str) -> Select[str]:
    """The newest refresh token of a sign-in that is one too many."""
    of_user = _newest(Token.user_id == user_id).offset(MANY_OF_USER - 1).limit(1)
    most = MOST if db.scalar(of_user) is None else MOST_OF_MANY
    return _newest(Token.grant_id == grant_id).offset(most).limit(1)


def _newest(whose: Any) -> Select[str]:
    return select(Token.id).where(whose, Token.kind == Kind.REFRESH).order_by(Token.id.desc())


def _remove(*which: Any) -> bool:
    def part() -> bool:
        more = sweep(Token, *which)
        db.commit()
        return more

    return conflicts.again(part)

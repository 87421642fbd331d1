"""Letters before tokens end, and the end of tokens that nobody uses where the operator wants that.

Every process looks; an account is locked while it is written to, and what was written stands on the account and on its
tokens, so that each letter goes out once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import aliased

from latchkey import clock, notices, origin, settings, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.origin import Origin
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.indexes import NOT_REFRESH

# How many days before its end a letter tells of it. One that was let work for no longer gets none so early.
DAYS = (7, 1)
# An account gets one letter a day, which also tells of what falls due before the next could come.
BETWEEN = timedelta(days=1)
# How long before a disused token ends its owner is told; it never ends sooner after that letter.
NOTICE = timedelta(days=14)
AT_A_TIME = 100
DAY = timedelta(days=1)


def remind() -> bool:
    """Write to some accounts whose tokens end soon; whether there may be more. Commits."""
    last = clock.now() - BETWEEN
    waiting = select(Token.user_id).join(User, User.id == Token.user_id).where(_due(timedelta(0)), _written_to(last))
    found = list(db.scalars(waiting.distinct().limit(AT_A_TIME)))
    for user_id in found:
        with _by_itself():
            _remind(str(user_id), last)
        db.commit()
    return len(found) == AT_A_TIME


@contextmanager
def _by_itself() -> Iterator[None]:
    """Within it events name neither a person nor an address, since nobody did this."""
    mark = origin.current.set(Origin("", "", ""))
    try:
        yield
    finally:
        origin.current.reset(mark)


def _written_to(last: datetime) -> ColumnElement[bool]:
    free = or_(User.reminded_at.is_(None), User.reminded_at <= last)
    return and_(free, User.reminders, User.disabled_at.is_(None), User.email_verified_at.is_not(None))


def _live() -> ColumnElement[bool]:
    # Written exactly as in the partial index, or SQLite does not use it.
    return and_(
        text(f"token.{NOT_REFRESH}"),
        Token.kind == Kind.DEVELOPER,
        Token.successor_id.is_(None),
        Token.revoked_at.is_(None),
    )


def _due(ahead: timedelta) -> ColumnElement[bool]:
    """Tokens of which a letter is to tell now, or within so long. One that was never used gets one letter in all."""
    now = clock.now()
    early, late = DAYS
    soon = and_(
        Token.expires_at <= now + early * DAY + ahead,
        Token.term_seconds > early * 86_400,
        Token.reminded_days.is_(None),
    )
    at_last = and_(
        Token.expires_at <= now + late * DAY + ahead,
        Token.term_seconds > late * 86_400,
        or_(Token.reminded_days.is_(None), and_(Token.reminded_days > late, Token.last_used_at.is_not(None))),
    )
    return and_(_live(), Token.expires_at > now, or_(soon, at_last))


def _remind(user_id: str, last: datetime) -> None:
    user = users.lock(user_id)
    if user is None or not db.scalar(select(func.count()).where(User.id == user_id, _written_to(last))):
        # Another process was quicker, or it was switched off.
        return
    mine = select(Token).where(Token.user_id == user_id, _due(BETWEEN)).order_by(Token.expires_at, Token.id)
    ending = list(db.scalars(mine.with_for_update(of=Token).execution_options(populate_existing=True)))
    if not ending:
        return
    now = clock.now()
    for token in ending:
        left = (token.expires_at or now) - now
        token.reminded_days = DAYS[1] if left <= DAYS[1] * DAY + BETWEEN else DAYS[0]
    user.reminded_at = now
    notices.tokens_end(user, ending)
    db.flush()


def _idle() -> ColumnElement[datetime]:
    return func.coalesce(Token.last_used_at, Token.renewed_at, Token.created_at)


def _unused(since: datetime) -> ColumnElement[bool]:
    """Tokens without use since then; one that made others is in use while they are."""
    child, now = aliased(Token), clock.now()
    working = select(child.id).where(
        child.parent_id == Token.id,
        child.revoked_at.is_(None),
        or_(child.expires_at.is_(None), child.expires_at > now),
    )
    lasting = or_(Token.expires_at.is_(None), Token.expires_at > now)
    return and_(_live(), lasting, _idle() <= since, ~working.exists())


def end_disused() -> bool:
    """Tell some accounts of tokens that nobody uses, and end those that were told of; whether there may be more."""
    days = settings.current().token_disused_days
    if days is None:
        return False
    return any([_for_some(_ends(days), _end), _for_some(_is_told(days, timedelta(0)), _tell)])


def _for_some(which: ColumnElement[bool], act: Callable[[str], None]) -> bool:
    found = list(db.scalars(select(Token.user_id).where(which).distinct().limit(AT_A_TIME)))
    for user_id in found:
        with _by_itself():
            act(str(user_id))
        db.commit()
    return len(found) == AT_A_TIME


def _is_told(days: int, ahead: timedelta) -> ColumnElement[bool]:
    untold = or_(Token.told_disused_at.is_(None), Token.told_disused_at < _idle())
    return and_(_unused(clock.now() - days * DAY + NOTICE + ahead), untold)


def _ends(days: int) -> ColumnElement[bool]:
    now = clock.now()
    return and_(_unused(now - days * DAY), Token.told_disused_at >= _idle(), Token.told_disused_at <= now - NOTICE)


def _mine(user_id: str, which: ColumnElement[bool]) -> list[Token]:
    mine = select(Token).where(Token.user_id == user_id, which).order_by(Token.id).with_for_update(of=Token)
    return list(db.scalars(mine.execution_options(populate_existing=True)))


def _tell(user_id: str) -> None:
    user, days, now = users.lock(user_id), settings.current().token_disused_days, clock.now()
    if user is None or days is None:
        return
    found = _mine(user_id, _is_told(days, BETWEEN))
    lately = select(func.max(Token.told_disused_at)).where(Token.user_id == user_id)
    if not found or (db.scalar(lately) or now - BETWEEN) > now - BETWEEN:
        return
    for token in found:
        token.told_disused_at = now
    notices.tokens_disused(user, found, days, now + NOTICE)
    db.flush()


def _end(user_id: str) -> None:
    user, days = users.lock(user_id), settings.current().token_disused_days
    if user is None or days is None:
        return
    for token in _mine(user_id, _ends(days)):
        if tokens.revoke(token):
            notices.token_disused(user, token)

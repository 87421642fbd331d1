"""What acts for a user: each sign-in of the apps, and pausing all of it, by which nothing is lost."""

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from latchkey import clock, endings, notices
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.tokens import Token

MOST_ROWS = 5_000


class SignIn(NamedTuple):
    """One of them. Address and program are those of its last call or refresh within a day or so, else empty."""

    id: str
    authorization_id: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    address: str
    agent: str


def sign_ins(user: User) -> dict[str, list[SignIn]]:
    """Those that are live, by authorization, the latest begun first."""
    redeemed = exists().where(Token.grant_id == Grant.id)
    live = (Grant.user_id == user.id, Grant.ended_at.is_(None), Grant.expires_at > clock.now(), redeemed)
    # Access tokens stay for a day after they ended; of refresh tokens there may be thousands.
    lately = aliased(Token, select(Token).where(Token.kind == Kind.ACCESS).subquery())
    rows = db.execute(
        select(
            Grant.id,
            Grant.authorization_id,
            Grant.created_at,
            Grant.expires_at,
            lately.last_used_at,
            lately.last_used_address,
            lately.last_used_agent,
            lately.created_address,
            lately.created_agent,
        )
        .outerjoin(lately, lately.grant_id == Grant.id)
        .where(*live)
        .order_by(Grant.id.desc(), lately.id.desc())
        .limit(MOST_ROWS)
    )
    latest: dict[str, SignIn] = {}
    for row in rows:
        found = SignIn(
            row.id,
            row.authorization_id,
            row.created_at,
            row.expires_at,
            row.last_used_at,
            row.last_used_address or row.created_address or "",
            row.last_used_agent or row.created_agent or "",
        )
        known = latest.setdefault(row.id, found)
        if found.last_used_at and (known.last_used_at is None or known.last_used_at < found.last_used_at):
            latest[row.id] = found
    by_authorization: dict[str, list[SignIn]] = defaultdict(list)
    for found in latest.values():
        by_authorization[found.authorization_id].append(found)
    return by_authorization


def pause(user: User) -> bool:
    """From the next call on every token that acts for a user is refused. Whether that is new. Raises `UserGone`."""
    users.hold(user.id)
    if user.paused_at is not None:
        return False
    user.paused_at = clock.now()
    endings.note(endings.Kind.USER, user.id)
    notices.paused(user)
    return True


def resume(user: User) -> bool:
    """Let it all act again. Whether it was paused. Raises `UserGone`."""
    users.hold(user.id)
    if user.paused_at is None:
        return False
    user.paused_at = None
    db.flush()
    notices.resumed(user)
    return True

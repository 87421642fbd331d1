"""What acts for a user: each sign-in of the apps, what acted or was refused last, and pausing, which loses nothing."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.orm import aliased

from latchkey import clock, endings, grants, ids, notices
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.grants import Authorization, Grant
from latchkey.journal import refusals
from latchkey.journal.calls import counts, refused_calls, use
from latchkey.journal.refusals import Refusal
from latchkey.store.session import db
from latchkey.tokens import Token

MOST_ROWS = 5_000
LONGEST_ID = 40

_BY_A_PAUSE = (Refusal.endpoint == refusals.CALL, Refusal.error == refused_calls.Reason.PAUSED)


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


class Acting(NamedTuple):
    """A token or an app that acts for a user, and its calls in 30 days."""

    holder: Token | Authorization
    calls: int


def acting(user: User, used: Iterable[Token], most: int) -> list[Acting]:
    """What acted for a user last, the latest first, of their tokens that did and of apps."""
    apps = grants.used_since(user, clock.now() - timedelta(days=counts.DAYS), most)
    holders: list[Token | Authorization] = [*used, *apps]
    holders.sort(key=lambda one: one.last_used_at or one.created_at, reverse=True)
    latest = holders[:most]
    tokens = [one.id for one in latest if isinstance(one, Token)]
    by_apps = [one.client_id for one in latest if isinstance(one, Authorization)]
    made = use.calls(user.id, tokens, by_apps) if latest else {}
    return [Acting(one, made.get(one.id if isinstance(one, Token) else one.client_id, 0)) for one in latest]


class Refused(NamedTuple):
    """Calls with a token that were refused for one reason, the latest; and whether its former string came with them."""

    token_id: str
    name: str
    former: bool
    reason: str
    times: int
    at: datetime


def refused(user: User, since: datetime, most: int) -> list[Refused]:
    """Why calls with a user's tokens were refused since a moment, of each token the last reason; the latest first."""
    told = _refused_last(user, since, most)
    columns = select(Token.id, Token.description, Token.successor_id)
    named = {row.id: row for row in db.execute(columns.where(Token.id.in_(list(told))))} if told else {}
    found = []
    for token_id, rows in told.items():
        if (token := named.get(token_id)) is None:
            continue
        last = rows[0]
        times = sum(row.times for row in rows if (row.error, row.detail) == (last.error, last.detail))
        page, former = token.successor_id or token_id, token.successor_id is not None
        found.append(Refused(page, token.description or "", former, last.reason, times, last.at))
    return found


def _refused_last(user: User, since: datetime, most: int) -> dict[str, list[Row[*tuple[Any, ...]]]]:
    """The refused calls since a moment of the tokens that were refused last, newest first, by the token.

    Of each as many are read as are kept, so that one which is refused all the time hides no other.
    """
    mine = (Refusal.user_id == user.id, Refusal.endpoint == refusals.CALL, Refusal.at > since)
    latest = select(Refusal.token_id, Refusal.error, Refusal.detail, Refusal.reason, Refusal.times, Refusal.at)
    latest = latest.where(*mine).order_by(Refusal.at.desc(), Refusal.id).limit(most * refused_calls.CALLS_KEPT)
    told: dict[str, list[Row[*tuple[Any, ...]]]] = {}
    for refusal in db.execute(latest):
        if refusal.token_id in told or len(told) < most:
            told.setdefault(refusal.token_id, []).append(refusal)
    return told


class HeldBack(NamedTuple):
    """Calls with a token, or with its former string, that were refused since its user paused everything."""

    token_id: str
    name: str
    times: int


def held_back(user: User) -> list[HeldBack]:
    """What the pause has kept from a user's tokens so far, most calls first; an app's calls are not told by user."""
    if user.paused_at is None:
        return []
    page, times = func.coalesce(Token.successor_id, Token.id), func.sum(Refusal.times)
    mine = (Refusal.user_id == user.id, Refusal.at > user.paused_at, *_BY_A_PAUSE)
    rows = select(page, func.max(Token.description), times).join(Token, Token.id == Refusal.token_id).where(*mine)
    found = db.execute(rows.group_by(page).order_by(times.desc(), page))
    return [HeldBack(token_id, name or "", number) for token_id, name, number in found]


def pause(user: User) -> bool:
    """From the next call on every token that acts for a user is refused. Whether that is new. Raises `UserGone`."""
    users.hold(user.id)
    if user.paused_at is not None:
        return False
    user.paused_at = clock.now()
    _count_anew(user)
    endings.note(endings.Kind.USER, user.id)
    notices.paused(user)
    return True


def _count_anew(user: User) -> None:
    """Let what an earlier pause refused stand by itself: alike calls of a day are one row, found by its id."""
    lately = (Refusal.user_id == user.id, Refusal.at > clock.now() - timedelta(days=1), *_BY_A_PAUSE)
    apart = update(Refusal).where(*lately, func.length(Refusal.id) < LONGEST_ID)
    db.execute(apart.values(id=Refusal.id + ids.draw()[:8]).execution_options(synchronize_session=False))


def resume(user: User) -> bool:
    """Let it all act again. Whether it was paused. Raises `UserGone`."""
    users.hold(user.id)
    if user.paused_at is None:
        return False
    user.paused_at = None
    db.flush()
    notices.resumed(user)
    return True

"""A user's developer tokens as the portal lists them, in one statement; and how many they may have."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal, or_, select, text, true
from sqlalchemy.orm import load_only

from latchkey import clock, scopes, settings
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.users import User
from latchkey.store.search import mentions, within
from latchkey.store.session import db
from latchkey.tokens.record import LISTED, SOON, UNREVOKED, Token

PAGE = 50
LAST_PAGE = 1_000
# So many can be ticked and revoked at a time: a form has no more fields.
MOST_CHOSEN = 450
SORTS = ("created", "used", "expires", "name")
FILTERS = ("never_used", "expires_soon", "no_expiry", "write")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see of their tokens."""

    status: str = "active"
    search: str = ""
    sort: str = "created"
    filters: frozenset[str] = frozenset()
    scope: str = ""
    page: int = 1
    # Those that end on this day in UTC, or before it.
    ends_by: date | None = None

    def query(self, **other: object) -> dict[str, Any]:
        """The parameters of its address, with some of them changed; what is usual is left out."""
        wanted = replace(self, **{"page": 1, **other})  # type: ignore[arg-type] # fields by their names
        usual = {"status": "active", "q": "", "sort": "created", "scope": "", "page": 1}
        named = {"status": wanted.status, "q": wanted.search, "sort": wanted.sort, "scope": wanted.scope}
        kept = {name: value for name, value in (named | {"page": wanted.page}).items() if value != usual[name]}
        if wanted.ends_by is not None:
            kept["ends_by"] = wanted.ends_by.isoformat()
        return kept | {name: "1" for name in FILTERS if name in wanted.filters}

    def toggled(self, name: str) -> dict[str, Any]:
        """The same with a filter more, or without it."""
        return self.query(filters=self.filters ^ {name})


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
    bare = wanted.search == wanted.scope == "" and wanted.ends_by is None and "write" not in wanted.filters
    statement = (_kept if bare else _statement)(replace(wanted, page=1))
    read = db.execute(statement, _given(user) | {"skipped": (wanted.page - 1) * PAGE}).all()
    return Listing([row[0] for row in read if row[0] is not None], *read[0][1:])


def _statement(wanted: Wanted) -> Select[Any]:
    conditions = _conditions(wanted)
    counted: dict[str, list[ColumnElement[bool]]] = {
        "active": [ACTIVE, *conditions],
        "ended": [~ACTIVE, *conditions],
        "every": [true()],
    }
    counted |= {name: [ACTIVE, condition] for name, condition in MEANT.items()}
    numbers = (func.count().filter(*which).label(name) for name, which in counted.items())
    counts = select(*numbers).select_from(Token).where(MINE).cte("counts")
    rows = select(Token.id).where(MINE, ACTIVE if wanted.status == "active" else ~ACTIVE, *conditions)
    rows = rows.order_by(*_order(wanted.sort)).limit(PAGE).offset(bindparam("skipped"))
    joined = select(Token, *counts.c).select_from(counts).outerjoin(Token, Token.id.in_(rows))
    return joined.options(load_only(*SHOWN, raiseload=True)).order_by(*_order(wanted.sort))


# What a row of the list tells; to read all columns of fifty costs a tenth of the page.
SHOWN = (
    Token.kind,
    Token.last4,
    Token.description,
    Token.scope,
    Token.created_at,
    Token.created_agent,
    Token.expires_at,
    Token.renewed_at,
    Token.revoked_at,
    Token.waiting_since,
    Token.last_used_at,
    Token.last_used_address,
)

# To build one takes as long as to ask it. Those with somebody's words are not kept, nor what the catalogue tells.
_kept = lru_cache(maxsize=64)(_statement)

# Which tokens are a user's, which of them work, and what the filters mean. Word for word, or SQLite does not see that
# the index holds all that is looked for.
MINE = and_(Token.user_id == bindparam("user"), text(LISTED))
ACTIVE = and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > bindparam("now")))
MEANT: dict[str, ColumnElement[bool]] = {
    "never_used": Token.last_used_at.is_(None),
    "expires_soon": and_(Token.expires_at.is_not(None), Token.expires_at <= bindparam("soon")),
    "no_expiry": Token.expires_at.is_(None),
}


def _given(user: User) -> dict[str, Any]:
    now = clock.now()
    return {"user": user.id, "now": now, "soon": now + SOON}


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    chosen = [condition for name, condition in MEANT.items() if name in wanted.filters]
    if "write" in wanted.filters:
        chosen.append(or_(literal(value=False), *(_says(part) for part in _writing())))
    if wanted.scope:
        chosen.append(_says(f" {wanted.scope} "))
    if wanted.ends_by is not None:
        chosen.append(Token.expires_at <= datetime.combine(wanted.ends_by, time.max, UTC))
    if wanted.search:
        texts = [Token.description, Token.scope, Token.last4, Token.last_used_address]
        chosen.append(mentions(wanted.search, texts))
    return chosen


def _says(part: str) -> ColumnElement[bool]:
    return (literal(" ") + Token.scope + " ").like(within(part), escape="/")


def _writing() -> list[str]:
    """Parts of wire strings that only scopes with write access have: whole verbs, since there are fewer of them."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for name, scope in scopes.catalogue().items():
        kinds[name.rpartition(":")[2]].add(scope.access)
    verbs = {verb for verb, access in kinds.items() if access == {"write"}}
    mixed = (
        f" {name} "
        for name, scope in scopes.catalogue().items()
        if scope.access == "write" and name.rpartition(":")[2] not in verbs
    )
    return [*(f":{verb} " for verb in sorted(verbs)), *mixed]


def _order(sort: str) -> list[Any]:
    newest = Token.id.desc()
    if sort == "used":
        return [Token.last_used_at.desc().nulls_last(), newest]
    if sort == "expires":
        return [Token.expires_at.asc().nulls_last(), newest]
    return [func.lower(Token.description), newest] if sort == "name" else [newest]


def latest(user: User) -> list[tuple[str, str]]:
    """Ids and descriptions of the tokens that a user made last and that work."""
    rows = select(Token.id, Token.description).where(MINE, ACTIVE).order_by(Token.id.desc()).limit(PAGE)
    return [(str(row.id), row.description or "") for row in db.execute(rows, _given(user))]


def live(user: User, token_ids: Iterable[str]) -> list[Token]:
    """Those of some tokens that are a user's and work."""
    mine = select(Token).where(MINE, ACTIVE, Token.id.in_(list(token_ids)))
    return list(db.scalars(mine.order_by(Token.id.desc()), _given(user)))


def matching(user: User, wanted: Wanted) -> list[str]:
    """The ids of a user's live tokens that match, on whatever page, the first of many."""
    rows = select(Token.id).where(MINE, ACTIVE, *_conditions(wanted)).order_by(*_order(wanted.sort))
    return list(db.scalars(rows.limit(MOST_CHOSEN), _given(user)))


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

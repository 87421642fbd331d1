"""The statements behind the list, which read of most tokens only what stands in an index, however many there are."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    SQLColumnExpression,
    String,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.orm import load_only

from latchkey import scopes
from latchkey.store.search import caseless, escaped, like, within
from latchkey.tokens.indexes import LISTED
from latchkey.tokens.listing.wanted import MOST_CHOSEN, PAGE, Wanted
from latchkey.tokens.record import Token

# Which tokens are a user's, which of them work, and what the filters mean.
MINE = and_(Token.user_id == bindparam("user"), text(LISTED))
ACTIVE = and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > bindparam("now")))
SOON = and_(Token.expires_at.is_not(None), Token.expires_at <= bindparam("soon"))
MEANT: dict[str, ColumnElement[bool]] = {
    "never_used": Token.last_used_at.is_(None),
    "expires_soon": SOON,
    "no_expiry": Token.expires_at.is_(None),
}
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
SEARCHED = (Token.description, Token.scope, Token.last_used_address, Token.last4)
LAST = 4
# When fewer than one of so many match, sorting those takes less than looking for them in their order.
SPARSE = 8


class Order(NamedTuple):
    """An order, the same from its end, and the index along which SQLite has it."""

    forward: tuple[ColumnElement[Any], ...]
    backward: tuple[ColumnElement[Any], ...]
    along: str


_used, _end, _name = Token.last_used_at, Token.expires_at, caseless(Token.description)
_newest, _oldest = Token.id.desc(), Token.id.asc()
ORDERS = {
    "created": Order((_newest,), (_oldest,), "ix_token_user_id_kind_id"),
    "used": Order((_used.desc().nulls_last(), _newest), (_used.asc().nulls_first(), _oldest), "ix_token_by_use"),
    "expires": Order((_end.asc().nulls_last(), _newest), (_end.desc().nulls_first(), _oldest), "ix_token_by_end"),
    "name": Order((_name.asc(), _newest), (_name.desc(), _oldest), "ix_token_by_name"),
}


def mine(*columns: Any, index: str = "ix_token_counted") -> Select[Any]:
    """Something of a user's tokens, in SQLite along this index: what it knows of their number is of everybody's."""
    return select(*columns).where(MINE).with_hint(Token, f"INDEXED BY {index}", "sqlite")


def page(wanted: Wanted) -> Select[Any]:
    """The tokens of a page, each with all the numbers; these without a token where there is none."""
    return _page(_shape(wanted), _writing(wanted))


def ids(wanted: Wanted) -> Select[Any]:
    """The ids of the tokens that match and work, the first of many."""
    shape, order = _shape(wanted), ORDERS[wanted.sort]
    matching = (ACTIVE, *_each(shape), *_by_scope(shape, _writing(wanted), Token.scope))
    return mine(Token.id, index=order.along).where(*matching).order_by(*order.forward).limit(MOST_CHOSEN)


def given(wanted: Wanted) -> dict[str, Any]:
    """What a statement is told of this."""
    told: dict[str, Any] = {"skipped": (wanted.page - 1) * PAGE}
    if wanted.search:
        told["search"] = within(wanted.search)
    if wanted.scope:
        told["scope"] = escaped(f" {wanted.scope} ")
    if wanted.ends_by is not None:
        told["last"] = datetime.combine(wanted.ends_by, time.max, UTC)
    return told


def _shape(wanted: Wanted) -> Wanted:
    """What a statement depends on, and not what it is told."""
    search, scope = "x" * min(len(wanted.search), LAST + 1), "x" * bool(wanted.scope)
    return replace(wanted, search=search, scope=scope, page=1, ends_by=wanted.ends_by and date.max)


# To build one takes as long as to ask it.
@lru_cache(maxsize=128)
def _page(wanted: Wanted, writing: tuple[str, ...]) -> Select[Any]:
    matching = _matching(wanted, writing)
    counts = _counts(matching)
    rows = _rows(wanted, matching, counts)
    joined = select(Token, *counts.c).select_from(counts).outerjoin(Token, Token.id.in_(rows))
    return joined.options(load_only(*SHOWN, raiseload=True)).order_by(*ORDERS[wanted.sort].forward)


def _matching(wanted: Wanted, writing: tuple[str, ...]) -> CTE | None:
    """How many match; None: all do. Where scopes matter, once for all tokens that have the same."""
    each, by_scope = _each(wanted), bool(writing or wanted.scope)
    if not each and not by_scope:
        return None
    found = mine(func.count().label("every"), func.count().filter(ACTIVE).label("active")).where(*each)
    if not by_scope:
        return found.cte("matching")
    # Materialized, or the condition is moved inwards, to every token.
    alike = found.add_columns(Token.scope).group_by(Token.scope).cte("alike").prefix_with("MATERIALIZED")
    return select(alike).where(*_by_scope(wanted, writing, alike.c.scope)).cte("matching")


def _counts(matching: CTE | None) -> CTE:
    """All the numbers in one row."""
    whole = mine(func.count().label("every")).cte("whole")
    columns = {"all": func.count(), "used": func.count(Token.last_used_at), "ending": func.count(Token.expires_at)}
    work = mine(*(number.label(name) for name, number in columns.items())).where(ACTIVE).cte("work")
    soon = mine(func.count(), index="ix_token_by_end").where(ACTIVE, SOON).scalar_subquery()
    active: ColumnElement[Any] = work.c.all
    ended: ColumnElement[Any] = whole.c.every - work.c.all
    if matching is not None:
        gone = matching.c.every - matching.c.active
        active, ended = (
            select(func.coalesce(func.sum(number), 0)).scalar_subquery() for number in (matching.c.active, gone)
        )
    numbers = {
        "active": active,
        "ended": ended,
        "every": whole.c.every,
        "never_used": work.c.all - work.c.used,
        "expires_soon": soon,
        "no_expiry": work.c.all - work.c.ending,
    }
    row = select(*(number.label(name) for name, number in numbers.items())).select_from(whole.join(work, true()))
    return row.cte("counts").prefix_with("MATERIALIZED")


def _rows(wanted: Wanted, matching: CTE | None, counts: CTE) -> CompoundSelect[Any]:
    """The ids of a page: out of few that match, or from that end of the order which is nearer."""
    conditions = [ACTIVE if wanted.status == "active" else ~ACTIVE, *_each(wanted)]
    if matching is not None and "scope" in matching.c:
        conditions.append(Token.scope.in_(select(matching.c.scope)))
    skipped = bindparam("skipped", type_=Integer)
    left = counts.c[wanted.status] - skipped
    size = case((left <= 0, 0), (left < PAGE, left), else_=PAGE)
    sparse = false() if matching is None else counts.c[wanted.status] * SPARSE < counts.c.every
    near = case((sparse, "few"), (skipped < left, "near"), else_="far")
    behind = case((left > PAGE, left - PAGE), else_=0)
    cut = select(size.label("size"), near.label("way"), behind.label("behind")).select_from(counts).cte("cut")
    order = ORDERS[wanted.sort]
    ways = {
        "few": (order.forward, "ix_token_counted", skipped),
        "near": (order.forward, order.along, skipped),
        "far": (order.backward, order.along, select(cut.c.behind).scalar_subquery()),
    }
    found = (
        mine(Token.id, index=index)
        .where(*conditions)
        .order_by(*by)
        .limit(select(case((cut.c.way == way, cut.c.size), else_=0)).scalar_subquery())
        .offset(offset)
        for way, (by, index, offset) in ways.items()
    )
    return union_all(*(select(rows.subquery().c.id) for rows in found))


def _each(wanted: Wanted) -> list[ColumnElement[bool]]:
    """What holds for each token by itself."""
    chosen = [condition for name, condition in MEANT.items() if name in wanted.filters]
    if wanted.ends_by is not None:
        chosen.append(Token.expires_at <= bindparam("last"))
    if wanted.search:
        # A longer word is in no last four characters.
        searched = SEARCHED[:-1] if len(wanted.search) > LAST else SEARCHED
        chosen.append(or_(*(like(column, bindparam("search")) for column in searched)))
    return chosen


def _by_scope(wanted: Wanted, writing: tuple[str, ...], scope: SQLColumnExpression[str]) -> list[ColumnElement[bool]]:
    """What holds for all tokens with the same scopes."""
    whole = literal(" ") + scope + " "
    chosen = []
    if "write" in wanted.filters:
        chosen.append(or_(false(), *(whole.contains(part, autoescape=True) for part in writing)))
    if wanted.scope:
        chosen.append(whole.contains(bindparam("scope", type_=String), escape="/"))
    return chosen


def _writing(wanted: Wanted) -> tuple[str, ...]:
    """Parts of wire strings that only scopes with write access have: whole verbs, since there are fewer of them."""
    if "write" not in wanted.filters:
        return ()
    kinds: dict[str, set[str]] = defaultdict(set)
    for name, scope in scopes.catalogue().items():
        kinds[name.rpartition(":")[2]].add(scope.access)
    verbs = {verb for verb, access in kinds.items() if access == {"write"}}
    mixed = (
        f" {name} "
        for name, scope in scopes.catalogue().items()
        if scope.access == "write" and name.rpartition(":")[2] not in verbs
    )
    return (*(f":{verb} " for verb in sorted(verbs)), *mixed)

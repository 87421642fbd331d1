"""The statements behind the list. They read most tokens from an index alone, so that long lists stay quick."""

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
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import load_only

from latchkey.store.search import caseless, escaped, within
from latchkey.tokens.listing.conditions import ACTIVE, LAST, MINE, SOON, by_scope, each, writing_parts
from latchkey.tokens.listing.wanted import MOST_CHOSEN, PAGE, Wanted
from latchkey.tokens.record import Token

# The columns that a row shows; reading all columns of fifty rows costs a tenth of the page.
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
# When fewer than one of so many match, sorting those takes less than looking for them in their order. Of those in which
# a word stands so many are kept, so that few are not looked for again.
SPARSE, KEPT = 8, 300


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


class Kept(NamedTuple):
    """The first tokens in which a word stands, as far as they match; and whether these are all."""

    tokens: CTE
    whole: ColumnElement[bool]


def mine(*columns: Any, index: str = "ix_token_counted") -> Select[Any]:
    """Something of a user's tokens, in SQLite along this index: what it knows of their number is of everybody's."""
    return select(*columns).where(MINE).with_hint(Token, f"INDEXED BY {index}", "sqlite")


def page(wanted: Wanted) -> Select[Any]:
    """The tokens of a page, each with all the numbers; these without a token where there is none."""
    return _page(_shape(wanted), writing_parts(wanted))


def ids(wanted: Wanted) -> Select[Any]:
    """The ids of the tokens that match and work, the first of many."""
    shape, order = _shape(wanted), ORDERS[wanted.sort]
    matching = (ACTIVE, *each(shape), *by_scope(shape, writing_parts(wanted), Token.scope))
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


# Cached, since building a statement takes as long as running it.
@lru_cache(maxsize=128)
def _page(wanted: Wanted, writing: tuple[str, ...]) -> Select[Any]:
    matching, kept = _matching(wanted, writing), _kept(wanted, writing) if wanted.search else None
    counts = _counts(matching, kept)
    rows = _rows(wanted, matching, kept, counts)
    joined = select(Token, *counts.c).select_from(counts).outerjoin(Token, Token.id.in_(rows))
    return joined.options(load_only(*SHOWN, raiseload=True)).order_by(*ORDERS[wanted.sort].forward)


def _matching(wanted: Wanted, writing: tuple[str, ...]) -> CTE | None:
    """How many match; None: all do. Where scopes matter, once for all tokens that have the same."""
    by_itself, by_its_scopes = each(wanted), bool(writing or wanted.scope)
    if not by_itself and not by_its_scopes:
        return None
    found = mine(func.count().label("every"), func.count().filter(ACTIVE).label("active")).where(*by_itself)
    if not by_its_scopes:
        return found.cte("matching")
    # Materialized, or the planner would evaluate the condition for every token.
    alike = found.add_columns(Token.scope).group_by(Token.scope).cte("alike").prefix_with("MATERIALIZED")
    return select(alike).where(*by_scope(wanted, writing, alike.c.scope)).cte("matching")


def _kept(wanted: Wanted, writing: tuple[str, ...]) -> Kept:
    works = case((ACTIVE, literal("active")), else_=literal("ended")).label("status")
    found = mine(Token.id, Token.scope, works).where(*each(wanted)).limit(KEPT + 1).cte("found")
    found = found.prefix_with("MATERIALIZED")
    matching = select(found.c.id, found.c.status).where(*by_scope(wanted, writing, found.c.scope)).cte("kept")
    return Kept(matching, select(func.count() <= KEPT).select_from(found).scalar_subquery())


def _counts(matching: CTE | None, kept: Kept | None) -> CTE:
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
    if kept is not None:
        active, ended = (
            case((kept.whole, select(func.count()).where(kept.tokens.c.status == status).scalar_subquery()), else_=many)
            for status, many in (("active", active), ("ended", ended))
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


def _rows(wanted: Wanted, matching: CTE | None, kept: Kept | None, counts: CTE) -> CompoundSelect[Any]:
    """The ids of a page: out of few that match, or from that end of the order which is nearer."""
    conditions, narrower = [ACTIVE if wanted.status == "active" else ~ACTIVE], each(wanted)
    if matching is not None and "scope" in matching.c:
        narrower.append(Token.scope.in_(select(matching.c.scope)))
    if narrower:
        # Where all match, nobody reads of each by what it does.
        all_match = select(counts.c.active + counts.c.ended == counts.c.every).scalar_subquery()
        conditions.append(or_(all_match, and_(*narrower)))
    skipped = bindparam("skipped", type_=Integer)
    left = counts.c[wanted.status] - skipped
    size = case((left <= 0, 0), (left < PAGE, left), else_=PAGE)
    sparse = false() if matching is None else counts.c[wanted.status] * SPARSE < counts.c.every
    few = mine(Token.id).where(*conditions)
    if kept is not None:
        sparse = kept.whole
        few = select(Token.id).where(
            Token.id.in_(select(kept.tokens.c.id).where(kept.tokens.c.status == wanted.status))
        )
    near = case((sparse, "few"), (skipped < left, "near"), else_="far")
    behind = case((left > PAGE, left - PAGE), else_=0)
    cut = select(size.label("size"), near.label("way"), behind.label("behind")).select_from(counts).cte("cut")
    order = ORDERS[wanted.sort]
    ordered = mine(Token.id, index=order.along).where(*conditions)
    ways = {
        "few": (few, order.forward, skipped),
        "near": (ordered, order.forward, skipped),
        "far": (ordered, order.backward, select(cut.c.behind).scalar_subquery()),
    }
    found = (
        rows.order_by(*by).limit(select(case((cut.c.way == way, cut.c.size), else_=0)).scalar_subquery()).offset(offset)
        for way, (rows, by, offset) in ways.items()
    )
    return union_all(*(select(rows.subquery().c.id) for rows in found))

"""What somebody sees of their tokens first: those that end soon, those that nobody uses, and those used last."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import CTE, Select, bindparam, func, or_, select, text, union_all
from sqlalchemy.orm import load_only

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.store.session import UtcDateTime, db
from latchkey.tokens.indexes import UNREVOKED
from latchkey.tokens.listing.conditions import idle_since
from latchkey.tokens.listing.statements import SHOWN
from latchkey.tokens.record import DISUSED, SOON, Token

# Of each kind; the list shows all.
MOST = 3


class Glance(NamedTuple):
    """The first few of each kind, and how many there are. `any`: whether there is a token at all, an ended one too."""

    any: bool
    works: int
    waiting: int
    ending: list[Token]
    end_soon: int
    disused: list[Token]
    unused: int
    used: list[Token]


def glance(user: User, since: datetime) -> Glance:
    """A user's tokens at a glance, in one statement; `used` are those that were used since then, the latest first."""
    now = clock.now()
    given = {"user": user.id, "now": now, "soon": now + SOON, "idle": now - DISUSED, "since": since}
    read = db.execute(_statement(), given).all()
    tokens, counts = [row[0] for row in read if row[0] is not None], read[0]
    ending = sorted((one for one in tokens if one.ends_soon), key=lambda one: (one.expires_at, one.id))
    disused = sorted((one for one in tokens if one.disused), key=lambda one: (one.idle_since, one.id))
    used = [one for one in tokens if one.last_used_at is not None and one.last_used_at > since]
    used.sort(key=lambda one: one.last_used_at or now, reverse=True)
    return Glance(
        any=counts.any,
        works=counts.works,
        waiting=counts.waiting,
        ending=ending[:MOST],
        end_soon=counts.ending,
        disused=disused[:MOST],
        unused=counts.disused,
        used=used[:MOST],
    )


# To build it takes as long as to ask it.
@cache
def _statement() -> Select[Any]:
    live = _live()
    ends = (live.c.expires_at < bindparam("soon", type_=UtcDateTime), live.c.waiting_since.is_(None))
    idle = (live.c.idle <= bindparam("idle", type_=UtcDateTime), live.c.waiting_since.is_(None))
    used = (live.c.last_used_at > bindparam("since", type_=UtcDateTime), live.c.waiting_since.is_(None))
    first = (
        select(live.c.id).where(*ends).order_by(live.c.expires_at, live.c.id).limit(MOST),
        select(live.c.id).where(*idle).order_by(live.c.idle, live.c.id).limit(MOST),
        select(live.c.id).where(*used).order_by(live.c.last_used_at.desc()).limit(MOST),
    )
    rows = union_all(*(select(each.subquery().c.id) for each in first))
    counts = select(
        select(Token.id).where(Token.user_id == bindparam("user"), Token.kind == "dev").exists().label("any"),
        func.count().label("works"),
        func.count(live.c.waiting_since).label("waiting"),
        func.count().filter(*ends).label("ending"),
        func.count().filter(*idle).label("disused"),
    ).select_from(live)
    counted = counts.cte("counts").prefix_with("MATERIALIZED")
    joined = select(Token, *counted.c).select_from(counted).outerjoin(Token, Token.id.in_(rows))
    return joined.options(load_only(*SHOWN, raiseload=True))


def _live() -> CTE:
    """Those that work: as many as the quota lets somebody have, however many have ended."""
    columns = (Token.id, Token.expires_at, Token.last_used_at, Token.waiting_since, idle_since.label("idle"))
    mine = (Token.user_id == bindparam("user"), text(UNREVOKED), Token.successor_id.is_(None))
    lasting = or_(Token.expires_at.is_(None), Token.expires_at > bindparam("now", type_=UtcDateTime))
    along = select(*columns).with_hint(Token, "INDEXED BY ix_token_unrevoked", "sqlite")
    return along.where(*mine, lasting).cte("live").prefix_with("MATERIALIZED")

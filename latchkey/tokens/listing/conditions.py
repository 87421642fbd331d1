"""Which tokens are meant: a user's, those that work, and what each filter leaves."""

from collections import defaultdict

from sqlalchemy import ColumnElement, SQLColumnExpression, String, and_, bindparam, false, func, literal, or_, text

from latchkey import scopes
from latchkey.store.search import like
from latchkey.store.session import UtcDateTime
from latchkey.tokens.indexes import LISTED
from latchkey.tokens.listing.wanted import Wanted
from latchkey.tokens.record import Token

# Which tokens are a user's, which of them work, and what the filters mean.
MINE = and_(Token.user_id == bindparam("user"), text(LISTED))
ACTIVE = and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > bindparam("now")))
SOON = and_(Token.expires_at.is_not(None), Token.expires_at <= bindparam("soon"))
idle_since = func.coalesce(Token.last_used_at, Token.renewed_at, Token.created_at, type_=UtcDateTime)
DISUSED = and_(idle_since <= bindparam("idle", type_=UtcDateTime), Token.waiting_since.is_(None))
MEANT: dict[str, ColumnElement[bool]] = {
    "never_used": Token.last_used_at.is_(None),
    "unused": DISUSED,
    "expires_soon": SOON,
    "no_expiry": Token.expires_at.is_(None),
}
SEARCHED = (Token.description, Token.scope, Token.last_used_address, Token.last4)
LAST = 4


def each(wanted: Wanted) -> list[ColumnElement[bool]]:
    """What holds for each token by itself."""
    chosen = [condition for name, condition in MEANT.items() if name in wanted.filters]
    if wanted.ends_by is not None:
        chosen.append(Token.expires_at <= bindparam("last"))
    if wanted.search:
        # A longer word is in no last four characters.
        searched = SEARCHED[:-1] if len(wanted.search) > LAST else SEARCHED
        chosen.append(or_(*(like(column, bindparam("search")) for column in searched)))
    return chosen


def by_scope(wanted: Wanted, writing: tuple[str, ...], scope: SQLColumnExpression[str]) -> list[ColumnElement[bool]]:
    """What holds for all tokens with the same scopes."""
    whole = literal(" ") + scope + " "
    chosen = []
    if "write" in wanted.filters:
        chosen.append(or_(false(), *(whole.contains(part, autoescape=True) for part in writing)))
    if wanted.scope:
        chosen.append(whole.contains(bindparam("scope", type_=String), escape="/"))
    return chosen


def writing_parts(wanted: Wanted) -> tuple[str, ...]:
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

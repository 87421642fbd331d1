"""Developer tokens: minted and listed by the user who has them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import joinedload, selectinload

from latchkey import clock, credentials, endings, texts
from latchkey import scopes as catalogue
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.store.session import affected, db
from latchkey.tokens import lifetimes, lineage, listing, ranges
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, columns, serialized

PAGE = 50


class ScopeTooWide(Exception):
    """More scopes are asked for than whoever asks may give."""


class UnverifiedEmail(Exception):
    """The user's address is not verified yet, so no credential is made."""


class DescriptionTaken(Exception):
    """The user has a live token with this description."""


class AlreadyMinted(Exception):
    """This form was sent before; `.token` is what it made then."""

    def __init__(self, token: Token) -> None:
        super().__init__("this form was sent before")
        self.token = token


class Minted(NamedTuple):
    """A new developer token and its plaintext, which exists only here."""

    token: Token
    plaintext: str


class Page(NamedTuple):
    """Some of a user's tokens, and the cursor of the next page if there is one."""

    tokens: list[Token]
    next_cursor: str | None


def mint(
    user: User,
    *,
    description: str,
    scopes: Iterable[str],
    lifetime: timedelta | None,
    form_id: str | None = None,
    parent: Token | None = None,
    addresses: Iterable[str] | None = None,
    unique: bool = False,
) -> Minted:
    """A developer token with the access of its user, cut down by scopes; no lifetime means no expiry.

    Under a parent, which is read again under the lock, it may do no more and lives no longer, and dies with it.
    `addresses` are the ranges to use it from; left out: the parent's. Raises `UnverifiedEmail`, `QuotaReached`,
    `AlreadyMinted`, `DescriptionTaken` if descriptions are `unique`, and what scopes, ranges, ends and lineage raise.
    """
    if not user.verified:
        raise UnverifiedEmail
    name, wanted = texts.line(description, LONGEST_DESCRIPTION), frozenset(scopes)
    # From here on two requests of one user go one after the other.
    users.hold(user.id)
    above = lineage.room_under(parent) if parent is not None else []
    once(user.id, form_id)
    if unique and taken(user.id, name):
        raise DescriptionTaken
    listing.check_quota(user.id)
    plaintext = credentials.generate(Kind.DEVELOPER)
    token = Token(
        **columns(plaintext, Kind.DEVELOPER),
        user_id=user.id,
        parent_id=parent.id if parent else None,
        description=name,
        scope=_checked(wanted, above),
        allowed_addresses=_bound(addresses, above),
        form_id=form_id,
        expires_at=lifetimes.end(lifetime, (elder.expires_at for elder in above)),
        term_seconds=lifetimes.seconds(lifetime),
        waiting_since=lifetimes.waiting(wanted),
    )
    db.add(token)
    db.flush()
    return Minted(token, plaintext)


def _checked(wanted: frozenset[str], above: Iterable[Token]) -> str:
    if any(not catalogue.check(wanted) <= elder.scopes for elder in above):
        raise ScopeTooWide
    return serialized(wanted)


def _bound(addresses: Iterable[str] | None, above: Iterable[Token]) -> str | None:
    """The ranges of a token under these. Raises `BadRange`, `RangeTooWide`."""
    kept = None if addresses is None else ranges.check(addresses)
    for elder in above:
        if addresses is None:
            kept = elder.allowed_addresses or kept
        if not ranges.within(kept, elder.allowed_addresses):
            raise ranges.RangeTooWide
    return kept


def once(user_id: str, form_id: str | None) -> None:
    """Go on with a form that was not sent before. Raises `AlreadyMinted`."""
    if form_id is None:
        return
    made = db.scalar(select(Token).where(Token.user_id == user_id, Token.form_id == form_id))
    if made is not None:
        raise AlreadyMinted(db.get_one(Token, made.successor_id) if made.successor_id else made)


def taken(user_id: str, name: str, but: str = "") -> bool:
    """Whether another live token of a user has this description."""
    found = _shown(user_id).where(_active(), Token.description == name, Token.id != but)
    return db.scalar(found.limit(1)) is not None


def get_for(user: User, token_id: str, *, formers: bool = False) -> Token | None:
    """A user's own developer token; also one that is the `former` string of another and was kept working, if asked."""
    return db.scalar(_shown(user.id, formers=formers).where(Token.id == token_id))


def _shown(user_id: str, *, formers: bool = False) -> Select[Token]:
    own = select(Token).where(Token.user_id == user_id, Token.kind == Kind.DEVELOPER)
    if formers:
        return own.where(or_(Token.successor_id.is_(None), Token.consumed_at.is_(None)))
    return own.where(Token.successor_id.is_(None))


def _active() -> ColumnElement[bool]:
    return and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > clock.now()))


def page(
    user: User,
    *,
    status: str = "active",
    cursor: str | None = None,
    limit: int = PAGE,
    formers: bool = False,
) -> Page:
    """A user's developer tokens, newest first, in one query: `active`, `ended` or `all` of them.

    With what is kept working beside its successor, if asked for `formers`.
    """
    statement = _shown(user.id, formers=formers)
    if formers:
        statement = statement.options(joinedload(Token.replaced))
    if status != "all":
        statement = statement.where(_active() if status == "active" else ~_active())
    if cursor:
        statement = statement.where(Token.id < cursor)
    found = list(db.scalars(statement.order_by(Token.id.desc()).limit(limit + 1)))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def every(owner: User | None, *, status: str = "active") -> list[Token]:
    """Developer tokens of one user or of all, newest first: `active`, `ended` or `all` of them."""
    statement = select(Token).where(Token.kind == Kind.DEVELOPER, Token.successor_id.is_(None))
    if owner is not None:
        statement = _shown(owner.id)
    if status != "all":
        statement = statement.where(_active() if status == "active" else ~_active())
    return list(db.scalars(statement.options(selectinload(Token.user)).order_by(Token.id.desc())))


def used_since(user: User, since: datetime, limit: int) -> list[Token]:
    """The live developer tokens of a user that were used since a moment, the latest first."""
    used = _shown(user.id).where(_active(), Token.last_used_at > since)
    return list(db.scalars(used.order_by(Token.last_used_at.desc()).limit(limit)))


def children(token: Token) -> list[Token]:
    """The developer tokens that a token made, those of its former string among them, the newest first."""
    strings = [token.id] if token.replaces_id is None else [token.id, token.replaces_id]
    made = select(Token).where(Token.parent_id.in_(strings), Token.successor_id.is_(None))
    return list(db.scalars(made.order_by(Token.id.desc()).limit(PAGE)))


def revoke_all(user: User) -> int:
    """End every developer token of a user; how many were live."""
    statement = update(Token).where(Token.user_id == user.id, Token.kind == Kind.DEVELOPER, Token.revoked_at.is_(None))
    count = affected(statement.values(revoked_at=clock.now()))
    if count:
        endings.note(endings.Kind.USER, user.id)
    return count

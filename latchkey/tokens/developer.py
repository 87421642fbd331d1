"""Developer tokens: minted, listed, changed and replaced by the user who has them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from latchkey import activity, clock, credentials, scopes, settings, texts
from latchkey.credentials import Kind
from latchkey.db import affected, db
from latchkey.tokens import quota
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, revoke_descendants, serialized
from latchkey.users import User

PAGE = 50


class ScopeTooWide(Exception):
    """More scopes are asked for than whoever asks may give."""


class LifetimeTooLong(Exception):
    """A longer life is asked for than this installation or the parent token allows; the message says how long."""


class UnverifiedEmail(Exception):
    """The user's address is not verified yet, so no credential is made."""


class DescriptionTaken(Exception):
    """The user has a live token with this description."""


class TokenEnded(Exception):
    """The token has expired or was revoked, and stays so."""


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
    unique: bool = False,
) -> Minted:
    """A developer token with the access of its user, cut down by scopes; no lifetime means no expiry.

    Under a parent it may do no more and lives no longer, and dies with it. Raises `UnverifiedEmail`,
    `texts.BadText`, `scopes.NoScopes`, `scopes.UnknownScope`, `LifetimeTooLong`, `ScopeTooWide`, `AlreadyMinted`,
    `QuotaReached` and, if descriptions are to be unique among live tokens, `DescriptionTaken`.
    """
    if not user.verified:
        raise UnverifiedEmail
    name, chosen = texts.line(description, LONGEST_DESCRIPTION), _checked(frozenset(scopes), parent)
    expires_at = _expiry(lifetime, parent)
    # From here on two requests of one user go one after the other.
    db.execute(select(User.id).where(User.id == user.id).with_for_update())
    _once(user.id, form_id)
    if unique and _taken(user.id, name):
        raise DescriptionTaken
    quota.check(user.id)
    plaintext, here = credentials.generate(Kind.DEVELOPER), activity.origin.get()
    token = Token(
        kind=Kind.DEVELOPER,
        digest=credentials.digest(plaintext),
        last4=plaintext[-4:],
        user_id=user.id,
        parent_id=parent.id if parent else None,
        description=name,
        scope=chosen,
        form_id=form_id,
        created_address=here.address,
        created_agent=here.agent,
        expires_at=expires_at,
    )
    db.add(token)
    db.flush()
    return Minted(token, plaintext)


def _checked(wanted: frozenset[str], parent: Token | None) -> str:
    if parent is not None and not scopes.check(wanted) <= parent.scopes:
        raise ScopeTooWide
    return serialized(wanted)


def _expiry(lifetime: timedelta | None, parent: Token | None) -> datetime | None:
    most = settings.current().token_max_days
    if most is not None and (lifetime is None or lifetime > timedelta(days=most)):
        raise LifetimeTooLong(f"Tokens here live for {most} days at most.")
    if lifetime is not None and lifetime <= timedelta(0):
        raise LifetimeTooLong("Choose a date after today.")
    try:
        expires_at = clock.now() + lifetime if lifetime is not None else None
    except OverflowError:
        raise LifetimeTooLong("Choose a date before the year 10000.") from None
    if parent is not None and parent.expires_at is not None and (expires_at is None or expires_at > parent.expires_at):
        raise LifetimeTooLong("A token lives no longer than the one that made it.")
    return expires_at


def _once(user_id: str, form_id: str | None) -> None:
    if form_id is None:
        return
    made = db.scalar(select(Token).where(Token.user_id == user_id, Token.form_id == form_id))
    if made is not None:
        raise AlreadyMinted(db.get_one(Token, made.successor_id) if made.successor_id else made)


def _taken(user_id: str, name: str, but: str = "") -> bool:
    found = _shown(user_id).where(_active(), Token.description == name, Token.id != but)
    return db.scalar(found.limit(1)) is not None


def get_for(user: User, token_id: str) -> Token | None:
    """A user's own developer token."""
    return db.scalar(_shown(user.id).where(Token.id == token_id))


def _shown(user_id: str) -> Select[Token]:
    return select(Token).where(Token.user_id == user_id, Token.kind == Kind.DEVELOPER, Token.successor_id.is_(None))


def _active() -> ColumnElement[bool]:
    return and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > clock.now()))


def page(user: User, *, status: str = "active", search: str = "", cursor: str | None = None, limit: int = PAGE) -> Page:
    """A user's developer tokens, newest first, in one query: `active`, `ended` or `all` of them."""
    statement = _shown(user.id)
    if status != "all":
        statement = statement.where(_active() if status == "active" else ~_active())
    if search:
        columns = (Token.description, Token.scope, Token.last4)
        statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    if cursor:
        statement = statement.where(Token.id < cursor)
    found = list(db.scalars(statement.order_by(Token.id.desc()).limit(limit + 1)))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def children(token: Token) -> list[Token]:
    """The developer tokens that a token made, the newest first."""
    return list(db.scalars(select(Token).where(Token.parent_id == token.id).order_by(Token.id.desc()).limit(PAGE)))


def _locked(token: Token) -> Token:
    """The token as it stands now, for this transaction alone to change. Raises `TokenEnded`."""
    fresh = select(Token).where(Token.id == token.id).with_for_update().execution_options(populate_existing=True)
    locked = db.scalar(fresh)
    if locked is None or locked.status != "active":
        raise TokenEnded
    return locked


def describe(token: Token, description: str, *, unique: bool = False) -> None:
    """Give a token another description. Raises `texts.BadText`, `TokenEnded`, `DescriptionTaken` as `mint` does."""
    name = texts.line(description, LONGEST_DESCRIPTION)
    locked = _locked(token)
    if unique and _taken(str(locked.user_id), name, but=locked.id):
        raise DescriptionTaken
    locked.description = name
    db.flush()


def narrow(token: Token, wanted: Iterable[str]) -> None:
    """Take scopes away from a token. Raises `ScopeTooWide` when one would be added, `TokenEnded`."""
    chosen = scopes.check(wanted)
    locked = _locked(token)
    if not chosen <= locked.scopes:
        raise ScopeTooWide
    locked.scope = scopes.serialize(chosen)
    db.flush()


def widen(token: Token, wanted: Iterable[str]) -> None:
    """Give a token other scopes, within its parent's; whoever calls has asked for the password.

    Raises `scopes.NoScopes`, `scopes.UnknownScope`, `ScopeTooWide`, `TokenEnded`.
    """
    locked = _locked(token)
    locked.scope = _checked(frozenset(wanted), locked.parent)
    db.flush()


def regenerate(token: Token, *, form_id: str | None = None) -> str:
    """A new plaintext for the same settings; the old one ends at once, and what it made with it.

    Raises `TokenEnded`, and `AlreadyMinted` for a form that was sent before.
    """
    if form_id is not None:
        db.execute(select(User.id).where(User.id == token.user_id).with_for_update())
        _once(str(token.user_id), form_id)
    locked = _locked(token)
    plaintext, now = credentials.generate(Kind.DEVELOPER), clock.now()
    old = {name: getattr(locked, name) for name in ("kind", "digest", "last4", "user_id", "scope", "created_at")}
    locked.digest, locked.last4 = credentials.digest(plaintext), plaintext[-4:]
    locked.last_used_at = locked.last_used_address = locked.last_used_agent = None
    db.flush()
    # The old string stays known, so that its next use is told "revoked" and not "unknown".
    db.add(
        Token(
            **old,
            description=None,
            created_address=locked.created_address,
            created_agent=locked.created_agent,
            expires_at=locked.expires_at,
            revoked_at=now,
            consumed_at=now,
            successor_id=locked.id,
            form_id=form_id,
        )
    )
    revoke_descendants(locked.id, now)
    db.flush()
    return plaintext


def revoke_all(user: User) -> int:
    """End every developer token of a user; how many were live."""
    statement = update(Token).where(Token.user_id == user.id, Token.kind == Kind.DEVELOPER, Token.revoked_at.is_(None))
    return affected(statement.values(revoked_at=clock.now()))

"""Developer tokens that are there: described, narrowed, widened, bound to addresses, and given another end."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from latchkey import clock, endings, scopes, texts
from latchkey.store.session import db
from latchkey.tokens import lifetimes, ranges
from latchkey.tokens.developer import DescriptionTaken, ScopeTooWide, taken
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, serialized


class TokenEnded(Exception):
    """The token has expired or was revoked, and stays so."""


class LaterEnd(Exception):
    """The token would work longer than it does now."""


def locked(token: Token, *, expired: bool = False) -> Token:
    """The token as it stands now, for this transaction alone to change; also an `expired` one, if asked.

    Raises `TokenEnded`.
    """
    fresh = select(Token).where(Token.id == token.id).with_for_update(of=Token, key_share=True)
    found = db.scalar(fresh.execution_options(populate_existing=True))
    known = ("active", "waiting", "expired") if expired else ("active", "waiting")
    if found is None or found.status not in known or found.successor_id is not None:
        raise TokenEnded
    return found


def describe(token: Token, description: str, *, unique: bool = False) -> None:
    """Give a token another description. Raises `texts.BadText`, `TokenEnded`, `DescriptionTaken` as `mint` does."""
    name = texts.line(description, LONGEST_DESCRIPTION)
    held = locked(token)
    if unique and taken(str(held.user_id), name, but=held.id):
        raise DescriptionTaken
    held.description = name
    db.flush()


def narrow(token: Token, wanted: Iterable[str]) -> None:
    """Take scopes away from a token. Raises `ScopeTooWide` when one would be added, `TokenEnded`."""
    chosen = scopes.check(wanted)
    held = locked(token)
    if not chosen <= held.scopes:
        raise ScopeTooWide
    held.scope = scopes.serialize(chosen)
    endings.note(endings.Kind.TOKEN, held.id)
    if not scopes.waiting(chosen):
        held.waiting_since = None
    _take_away(held, chosen)
    db.flush()


def _take_away(held: Token, chosen: frozenset[str]) -> None:
    """Both strings are of one token: whoever takes something away means both."""
    if (former := _former(held)) is not None:
        former.scope = scopes.serialize(former.scopes & chosen)


def widen(token: Token, wanted: Iterable[str]) -> None:
    """Give a token other scopes, within its parent's; whoever calls has asked for the password.

    Raises `scopes.NoScopes`, `scopes.UnknownScope`, `ScopeTooWide`, `TokenEnded`.
    """
    held = locked(token)
    chosen = serialized(wanted)
    if held.parent is not None and not scopes.held(chosen) <= held.parent.scopes:
        raise ScopeTooWide
    if not scopes.held(chosen) <= held.scopes:
        # What it has now was not watched for long.
        held.counted_since = clock.now()
        held.waiting_since = held.waiting_since or lifetimes.waiting(scopes.held(chosen) - held.scopes)
    held.scope = chosen
    endings.note(endings.Kind.TOKEN, held.id)
    _take_away(held, scopes.held(chosen))
    db.flush()


def bind(token: Token, kept: str | None, *, wider: bool = False) -> None:
    """Let a token be used from these ranges alone (`ranges.check`); whoever lets it be `wider` has shown who they are.

    Raises `TokenEnded`, `RangeTooWide`.
    """
    held = locked(token)
    outer = [elder.allowed_addresses for elder in _elders(held)] + ([] if wider else [held.allowed_addresses])
    if not all(ranges.within(kept, each) for each in outer):
        raise ranges.RangeTooWide
    held.allowed_addresses = kept
    endings.note(endings.Kind.TOKEN, held.id)
    former = _former(held)
    if former is not None and not ranges.within(former.allowed_addresses, kept):
        former.allowed_addresses = kept
    db.flush()


def shorten(token: Token, expires_at: datetime) -> None:
    """Let a token end earlier. Raises `TokenEnded`, and `LifetimeTooLong` for what is later, or over already."""
    held = locked(token)
    if expires_at <= clock.now() or lifetimes.is_later(expires_at, held.expires_at):
        raise lifetimes.LifetimeTooLong("Choose a time between now and the present end.")
    _end_at(held, expires_at)


def end_in(token: Token, lifetime: timedelta | None, *, later: bool = False) -> None:
    """Let a token that works go on for so long from now; whoever lets it end `later` has shown who they are.

    Raises `TokenEnded`, `LifetimeTooLong`, `LaterEnd`.
    """
    held = locked(token)
    expires_at = lifetimes.end(lifetime, (elder.expires_at for elder in _elders(held)))
    if not later and lifetimes.is_later(expires_at, held.expires_at):
        raise LaterEnd
    _end_at(held, expires_at)
    held.term_seconds = lifetimes.seconds(lifetime)
    db.flush()


def _end_at(held: Token, expires_at: datetime | None) -> None:
    held.expires_at, held.reminded_days = expires_at, None
    endings.note(endings.Kind.TOKEN, held.id)
    former = _former(held)
    if former is not None and expires_at is not None and (former.expires_at or expires_at) >= expires_at:
        former.expires_at = expires_at
    db.flush()


def _elders(held: Token) -> list[Token]:
    """Those above a token. The one that made it may have been shortened or bound since."""
    found = []
    while held.parent is not None:
        held = held.parent
        found.append(held)
    return found


def _former(held: Token) -> Token | None:
    """The former string that still works, locked like the token that it was of."""
    if held.replaces_id is None:
        return None
    fresh = select(Token).where(Token.id == held.replaces_id).with_for_update(of=Token, key_share=True)
    found = db.scalar(fresh.execution_options(populate_existing=True))
    return found if found is not None and found.status == "active" else None

"""Developer tokens that are there: described, narrowed, widened, and given another string."""

from collections.abc import Iterable

from sqlalchemy import select

from latchkey import clock, credentials, scopes, texts
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.store.session import db
from latchkey.tokens.developer import DescriptionTaken, ScopeTooWide, once, taken
from latchkey.tokens.record import LONGEST_DESCRIPTION, Token, revoke_descendants, serialized


class TokenEnded(Exception):
    """The token has expired or was revoked, and stays so."""


# What stays known of the former string: its next use is told “revoked” and not “unknown”, and its last use is evidence.
KEPT = (
    *("kind", "digest", "last4", "user_id", "scope", "created_at", "created_address", "created_agent", "expires_at"),
    *("last_used_at", "last_used_address", "last_used_agent"),
)


def _locked(token: Token) -> Token:
    """The token as it stands now, for this transaction alone to change. Raises `TokenEnded`."""
    fresh = select(Token).where(Token.id == token.id).with_for_update(of=Token, key_share=True)
    locked = db.scalar(fresh.execution_options(populate_existing=True))
    if locked is None or locked.status != "active":
        raise TokenEnded
    return locked


def describe(token: Token, description: str, *, unique: bool = False) -> None:
    """Give a token another description. Raises `texts.BadText`, `TokenEnded`, `DescriptionTaken` as `mint` does."""
    name = texts.line(description, LONGEST_DESCRIPTION)
    locked = _locked(token)
    if unique and taken(str(locked.user_id), name, but=locked.id):
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
    chosen = serialized(wanted)
    if locked.parent is not None and not scopes.held(chosen) <= locked.parent.scopes:
        raise ScopeTooWide
    if not scopes.held(chosen) <= locked.scopes:
        # What it has now was not watched for long.
        locked.counted_since = clock.now()
    locked.scope = chosen
    db.flush()


def regenerate(token: Token, *, form_id: str | None = None) -> str:
    """A new plaintext for the same settings; the old one ends at once, and what it made with it.

    Raises `TokenEnded`, and `AlreadyMinted` for a form that was sent before.
    """
    users.hold(str(token.user_id))
    once(str(token.user_id), form_id)
    locked = _locked(token)
    plaintext, now = credentials.generate(Kind.DEVELOPER), clock.now()
    old = {name: getattr(locked, name) for name in KEPT}
    locked.digest, locked.last4 = credentials.digest(plaintext), plaintext[-4:]
    locked.last_used_at = locked.last_used_address = locked.last_used_agent = None
    db.flush()
    db.add(
        Token(
            **old,
            description=None,
            revoked_at=now,
            consumed_at=now,
            successor_id=locked.id,
            form_id=form_id,
        )
    )
    revoke_descendants(locked.id, now)
    db.flush()
    return plaintext


def former(token: Token) -> Token | None:
    """What is known of the string that a token had before it was last regenerated."""
    replaced = select(Token).where(
        Token.user_id == token.user_id, Token.kind == Kind.DEVELOPER, Token.successor_id == token.id
    )
    return db.scalar(replaced.order_by(Token.id.desc()).limit(1))

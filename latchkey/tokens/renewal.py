"""Another string for a token that stays what it is: at once, or with the former one working beside it for a while."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import insert, literal, select, update

from latchkey import clock, credentials, endings
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.store.session import UtcDateTime, db
from latchkey.tokens import lifetimes, listing
from latchkey.tokens.changes import locked
from latchkey.tokens.developer import once
from latchkey.tokens.lifetimes import LifetimeTooLong
from latchkey.tokens.lineage import ParentEnded
from latchkey.tokens.record import Token, revoke, revoke_descendants
from latchkey.tokens.traces import Trace

KEEP = (0, 3600, 86_400, 604_800)
LONGEST_KEEP = KEEP[-1]

# What the former string keeps: where it was used is evidence, and what it may do is what it could.
KEPT = (
    *("kind", "digest", "last4", "user_id", "parent_id", "description", "scope", "resource", "expires_at"),
    *("allowed_addresses", "counted_since", "waiting_since"),
    *("created_at", "created_address", "created_agent", "last_used_at", "last_used_address", "last_used_agent"),
)


class NotItsOwn(Exception):
    """A token regenerates itself and what it made, and nothing else."""


class Renewal(NamedTuple):
    """What somebody chose: how long the new string works, or as long as before; how long the former one goes on."""

    lifetime: timedelta | None = None
    as_before: bool = True
    keep: timedelta = timedelta(0)


AS_BEFORE = Renewal()


def length(token: Token) -> timedelta | None:
    """How long its owner last let a token work, as far as this installation allows it now."""
    seconds = token.term_seconds
    return lifetimes.allowed(None if seconds is None else timedelta(seconds=seconds))


def regenerate(token: Token, chosen: Renewal = AS_BEFORE, *, form_id: str | None = None) -> str:
    """A new plaintext for a token, also for one that expired; it keeps its id, settings and history.

    The former string ends at once, and what it made; or it is kept for a while as a token of its own, on which hangs
    what it made. An earlier one that was still kept ends. Raises `TokenEnded`, `ParentEnded`, `LifetimeTooLong`,
    `QuotaReached`, and `AlreadyMinted` for a form that was sent before.
    """
    users.hold(str(token.user_id))
    once(str(token.user_id), form_id)
    held = locked(token, expired=True)
    lifetime = length(held) if chosen.as_before else chosen.lifetime
    expires_at = lifetimes.end(lifetime, _ends_above(held), cut=chosen.as_before)
    worked = held.status == "active"
    if held.replaces is not None:
        revoke(held.replaces)
    keep = min(chosen.keep, timedelta(seconds=LONGEST_KEEP)) if worked else timedelta(0)
    if keep or held.ended:
        listing.check_quota(str(held.user_id))
    if not chosen.as_before:
        held.term_seconds = lifetimes.seconds(lifetime)
    plaintext = _replace(held, keep, form_id)
    held.expires_at, held.reminded_days = expires_at, None
    db.flush()
    return plaintext


def by_token(token: Token, caller: Token, chosen: Renewal) -> str:
    """The same, asked for with a token, the `caller`, which is held.

    For no longer than its owner last let it work; what it made, for no longer than it works itself. Raises `NotItsOwn`,
    and what `regenerate` does.
    """
    if caller.id not in (token.id, token.parent_id) or token.successor_id is not None:
        raise NotItsOwn
    locked(token)
    own = length(token)
    if token.parent_id is None and not chosen.as_before and _longer(chosen.lifetime, own):
        days = own.days if own is not None else 0
        raise LifetimeTooLong(f"By itself it goes on for {days} days at most. Its owner can let it work longer.")
    settled = token.term_seconds
    plaintext = regenerate(token, chosen)
    # Only its owner says how long it may go on.
    token.term_seconds = settled
    db.flush()
    return plaintext


def _longer(wanted: timedelta | None, most: timedelta | None) -> bool:
    return most is not None and (wanted is None or wanted > most)


def _ends_above(held: Token) -> list[datetime | None]:
    """When those above it end; all of them still work. Raises `ParentEnded`."""
    found, elder = [], held.parent
    while elder is not None:
        if elder.status != "active" or elder.consumed_at is not None or (elder.grant and not elder.grant.live):
            raise ParentEnded
        found.append(elder.expires_at)
        elder = elder.parent
    return found


def _replace(held: Token, keep: timedelta, form_id: str | None) -> str:
    plaintext, now = credentials.generate(Kind.DEVELOPER), clock.now()
    old = {name: getattr(held, name) for name in KEPT}
    held.digest, held.last4, held.renewed_at = credentials.digest(plaintext), plaintext[-4:], now
    held.last_used_at = held.last_used_address = held.last_used_agent = held.told_disused_at = None
    # Its digest is free for the former row from here on.
    db.flush()
    endings.note(endings.Kind.TOKEN, held.id)
    former = Token(**old, successor_id=held.id, form_id=form_id)
    if keep:
        former.expires_at = min(now + keep, former.expires_at or now + keep)
    else:
        # Its next use is told “revoked” and not “unknown”.
        former.revoked_at = former.consumed_at = now
    db.add(former)
    db.flush()
    if keep:
        _hand_over(held, former)
    else:
        revoke_descendants(held.id, now)
    held.replaces_id = former.id
    db.flush()
    db.expire(held, ["replaced"])
    return plaintext


def _hand_over(held: Token, former: Token) -> None:
    """What a string made ends with it, and is found by it."""
    made = update(Token).where(Token.parent_id == held.id).values(parent_id=former.id)
    db.execute(made.execution_options(synchronize_session=False))
    left = select(Trace.client_id, literal(former.id), Trace.made, literal(clock.now(), UtcDateTime))
    db.execute(
        insert(Trace).from_select(
            ["client_id", "source_id", "made", "at"], left.where(Trace.source_id == held.id), include_defaults=False
        )
    )


def former(token: Token) -> Token | None:
    """What is known of the string that a token had before it was last regenerated."""
    return token.replaced


def live_former(token_id: str) -> str | None:
    """The id of a former string, while it works."""
    kept = db.get(Token, token_id)
    return kept.id if kept is not None and kept.status == "active" else None


def end_former(token: Token) -> Token | None:
    """End the former string of a token now; the former, if it was still to be ended."""
    users.hold(str(token.user_id))
    db.refresh(token)
    kept = token.replaces
    return kept if kept is not None and revoke(kept) else None

"""Least privilege: scopes that were not used in 30 days are taken away from a token or an app, and given back."""

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import aliased

from latchkey import clients, clock, notices, scopes, tokens
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal.calls import counts, refused_calls, use
from latchkey.journal.calls.use import Failing, ScopeUse, Use
from latchkey.journal.refusals import Refusal
from latchkey.scopes import Scope
from latchkey.store.session import db
from latchkey.tokens import Token

WATCHED = timedelta(days=counts.DAYS)
UNDO = timedelta(days=7)

Holder = Token | Client


class Report(NamedTuple):
    """What a token or an app did in 30 days beside what it may do."""

    use: Use
    # Since when calls are counted, and from when on unused scopes can be named; None: now.
    counted_from: datetime
    ready_at: datetime | None
    scopes: list[tuple[Scope, ScopeUse]]
    unused: list[str]
    removed: list[str]
    undo_until: datetime | None
    refused: list[Refusal]
    # The scopes that were asked about, and the calls that would have failed without them; None if none were.
    without: frozenset[str]
    failing: list[Failing] | None


def report(holder: Holder, without: frozenset[str] = frozenset()) -> Report:
    """The use of a token or an app, and what would have failed without some of its scopes."""
    seen, began, asked = use_of(holder), since(holder), without & holder.scopes
    back = droppable(holder)
    catalogue = scopes.catalogue()
    whose = {"client_id": holder.id} if isinstance(holder, Client) else {"token_id": holder.id}
    return Report(
        use=seen,
        counted_from=max(began, datetime.combine(counts.first_day(), time.min, UTC)),
        ready_at=began + WATCHED if clock.now() - began < WATCHED else None,
        scopes=[(scope, seen.scope(name)) for name, scope in catalogue.items() if name in holder.scopes],
        unused=scopes.serialize(unused(holder, seen)).split(),
        removed=scopes.serialize(back).split(),
        undo_until=holder.dropped_at + UNDO if back and holder.dropped_at else None,
        refused=refused_calls.latest_of(**whose),
        without=asked,
        failing=seen.without(asked) if without else None,
    )


def since(holder: Holder) -> datetime:
    """Since when it has its scopes and its calls are counted."""
    return holder.counted_since or holder.created_at


def use_of(holder: Holder) -> Use:
    """Its last 30 days. A token needs its scopes for all that it made, too."""
    if isinstance(holder, Client):
        return use.of(holder.id)
    below = select(Token.id).where(Token.parent_id == holder.id).cte("below", recursive=True)
    child = aliased(Token)
    below = below.union_all(select(child.id).join(below, child.parent_id == below.c.id))
    return use.of(holder.id, *db.scalars(select(below.c.id)))


def unused(holder: Holder, seen: Use) -> frozenset[str]:
    """The scopes that were not used, once that was watched for 30 days."""
    if clock.now() - since(holder) < WATCHED:
        return frozenset()
    return holder.scopes - seen.used(holder.scopes)


def drop(user: User, holder: Holder, shown: frozenset[str]) -> frozenset[str]:
    """Take away what was not used and was shown as such; what that is. One scope stays always.

    The holder is locked, or will be. Raises `tokens.TokenEnded`, `clients.BadClient`.
    """
    gone = unused(holder, use_of(holder)) & shown
    before = holder.scopes
    if not gone or gone == before:
        return frozenset()
    _set(user, holder, before - gone)
    holder.dropped_scope, holder.dropped_at = scopes.serialize(gone), clock.now()
    db.flush()
    if isinstance(holder, Token):
        notices.token_changed(user, holder, before)
    return gone


def droppable(holder: Holder) -> frozenset[str]:
    """What can be given back: removed within seven days, still in the catalogue, and its owner may still have it."""
    if holder.dropped_at is None or clock.now() - holder.dropped_at >= UNDO:
        return frozenset()
    gone = scopes.held(holder.dropped_scope or "") - holder.scopes
    if isinstance(holder, Token):
        return gone & holder.parent.scopes if holder.parent is not None else gone
    offered = holder.ceiling
    allowed = gone if offered is None else gone & offered
    return allowed if holder.trusted else allowed - scopes.CREDENTIAL


def give_back(user: User, holder: Holder) -> frozenset[str]:
    """Undo: what was removed, and nothing else; whoever calls has asked for fresh proof. What that is.

    Raises `tokens.TokenEnded`, `tokens.ScopeTooWide`, `clients.BadClient`.
    """
    back, before = droppable(holder), holder.scopes
    if not back:
        return back
    _set(user, holder, before | back)
    holder.dropped_scope = holder.dropped_at = None
    db.flush()
    if isinstance(holder, Token):
        notices.token_widened(user, holder, before)
    return back


def _set(user: User, holder: Holder, wanted: frozenset[str]) -> None:
    if isinstance(holder, Token):
        change = tokens.narrow if wanted <= holder.scopes else tokens.widen
        change(holder, wanted)
        return
    clients.change(
        holder,
        name=holder.name,
        homepage=holder.homepage,
        redirect_uris=holder.redirect_uris,
        # What waits for an administrator goes on waiting.
        scopes=wanted | holder.waiting_scopes,
        optional_scopes=holder.optional,
        pkce_required=holder.pkce_required,
        device_flow=holder.device_flow,
        by=user,
    )
    notices.app_changed(user, holder, ["scope"])

"""What happens to developer tokens, and to tokens that somebody found."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from latchkey import clock, origin, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.mail import outbox
from latchkey.notices.approvals import approval_asked
from latchkey.notices.wording import device, here, listed, unlinked, web_address
from latchkey.tokens import Token
from latchkey.tokens.canaries import Canary

# Of many tokens that end together so many are named.
TOLD = 50
MOST_LISTED = 20


def _about(token: Token) -> dict[str, Any]:
    return {"token_id": token.id, "description": token.description, "last4": token.last4}


def _letter(user: User, token: Token, letter: str, **more: object) -> None:
    context: dict[str, object] = {"description": _label(token), "path": _path(token), "expires_at": token.expires_at}
    outbox.post(user.email, letter, scopes=listed(token.scopes), hint=token.hint, **context, **here(), **more)


def _label(token: Token) -> str:
    """What its owner knows a token by: its description, or the app that has it."""
    if token.grant is not None:
        return f"a token of the app {unlinked(token.grant.client.name)}"
    return unlinked(token.description or "")


def _path(token: Token) -> str:
    return f"/tokens/{token.id}" if token.kind == Kind.DEVELOPER else "/authorized-apps"


def _ask(user: User, token: Token) -> None:
    if token.status == "waiting":
        approval_asked(user, token.description or token.id, scopes.waiting(token.scopes))


def token_created(user: User, token: Token) -> None:
    activity.record(user, EventKind.TOKEN_CREATED, scopes=sorted(token.scopes), **_about(token))
    _letter(user, token, "token_created")
    _ask(user, token)


def token_changed(user: User, token: Token, before: frozenset[str]) -> None:
    """A token was renamed or lost scopes; `before` is what it had."""
    activity.record(user, EventKind.TOKEN_CHANGED, removed=sorted(before - token.scopes), **_about(token))


def token_widened(user: User, token: Token, before: frozenset[str]) -> None:
    """A token may do more than before."""
    added = token.scopes - before
    activity.record(
        user, EventKind.TOKEN_WIDENED, added=sorted(added), removed=sorted(before - token.scopes), **_about(token)
    )
    _letter(user, token, "token_widened", added=listed(added))
    _ask(user, token)


def tokens_end(user: User, ending: Sequence[Token]) -> None:
    """Tokens end soon, the first of these first."""
    first, now = ending[0], clock.now()
    if len(ending) > 1:
        last = max(token.expires_at or now for token in ending)
        told = _listed(ending, lambda token: token.expires_at)
        path = f"/tokens?sort=expires&ends_by={last.date().isoformat()}"
        outbox.post(user.email, "tokens_expire", **told | {"path": path})
        return
    days = max(1, round(((first.expires_at or now) - now) / timedelta(days=1)))
    _letter(user, first, "token_expires", days=days, last_used_at=first.last_used_at, used_from=_used_from(first))


def _used_from(token: Token) -> str:
    return f"{token.last_used_address}, {device(token.last_used_agent or '')}" if token.last_used_address else ""


def _listed(found: Sequence[Token], when: Callable[[Token], datetime | None]) -> dict[str, Any]:
    """The first of several tokens, each with a moment, and how many more there are."""
    told = [(unlinked(token.description or ""), when(token)) for token in found[:MOST_LISTED]]
    return {"tokens": told, "more": len(found) - len(told), "path": "/tokens"}


def tokens_disused(user: User, found: Sequence[Token], days: int, ends_at: datetime) -> None:
    """Tokens that nobody uses end, unless somebody does."""
    told = _listed(found, lambda token: token.last_used_at)
    outbox.post(user.email, "tokens_disused", days=days, ends_at=ends_at, **told)


def token_disused(user: User, token: Token) -> None:
    """A token was ended because nobody used it."""
    activity.record(user, EventKind.TOKEN_DISUSED, **_about(token))


def token_extended(user: User, token: Token) -> None:
    """A token works longer than before, or from more addresses."""
    addresses = (token.allowed_addresses or "").split()
    activity.record(user, EventKind.TOKEN_EXTENDED, **_about(token))
    _letter(user, token, "token_extended", addresses=", ".join(addresses) or "anywhere")


def token_regenerated(user: User, token: Token) -> None:
    """A token has a new string; the old one ended, or goes on for a while."""
    kept = token.replaces
    goes_on = {} if kept is None else {"former": kept.id}
    activity.record(user, EventKind.TOKEN_REGENERATED, **goes_on, **_about(token))
    _letter(user, token, "token_regenerated", kept_until=None if kept is None else kept.expires_at)


def token_revoked(user: User, token: Token, apps: Collection[Client] = ()) -> None:
    """A token was ended; its owner hears of it by mail when it was somebody else's doing.

    `apps` were made or changed with it, and are suspended because it had leaked.
    """
    more: dict[str, Any] = {"suspended": [client.name for client in apps]} if apps else {}
    if token.successor_id is not None:
        more["former"] = True
    activity.record(user, EventKind.TOKEN_REVOKED, **more, **_about(token))
    if origin.current.get().actor != origin.OWNER:
        _letter(user, token, "token_revoked")


def tokens_revoked(user: User, tokens: Collection[Token]) -> None:
    """A user ended tokens that they ticked: one event and one letter for all of them."""
    names = [token.description or "" for token in tokens]
    activity.record(user, EventKind.TOKEN_REVOKED, count=len(names), selected=names[:TOLD])
    told, more = [unlinked(name) for name in names[:TOLD]], max(0, len(names) - TOLD)
    outbox.post(user.email, "tokens_revoked", names=told, more=more, count=len(names), path="/tokens", **here())


def all_tokens_revoked(user: User, count: int) -> None:
    """All developer tokens of a user were ended at once."""
    activity.record(user, EventKind.TOKEN_REVOKED, count=count)


def token_reported(user: User, token: Token, apps: Iterable[Client] = (), place: str = "") -> None:
    """Somebody found a token where it does not belong; it was ended. It may be one that an app was issued.

    `apps` were made or changed with it, and are suspended. `place` is where it was found.
    """
    found = {"found_at": place} if place else {}
    names = [client.name for client in apps]
    own = token.kind == Kind.DEVELOPER
    app = token.grant.client.name if token.grant else ""
    activity.record(
        user,
        EventKind.TOKEN_REPORTED,
        token_kind=token.kind,
        app=app or None,
        suspended=names,
        **found,
        **_about(token),
    )
    outbox.post(
        user.email,
        "token_reported",
        label=_label(token),
        hint=token.hint,
        path=_path(token),
        own=own,
        scopes=listed(token.scopes),
        last_used_at=token.last_used_at,
        apps=[unlinked(name) for name in names],
        found_at=web_address(place),
        **here(),
    )


def _of(canary: Canary) -> dict[str, Any]:
    return {"canary_id": canary.id, "description": canary.description, "last4": canary.last4}


def canary_made(user: User, canary: Canary) -> None:
    activity.record(user, EventKind.CANARY_MADE, **_of(canary))


def canary_removed(user: User, canary: Canary) -> None:
    activity.record(user, EventKind.CANARY_REMOVED, **_of(canary))


def canary_tried(user: User, canary: Canary) -> None:
    """Somebody tried a canary, so somebody was where it had been put."""
    activity.record(user, EventKind.CANARY_TRIED, **_of(canary))
    facts = here() | {"agent": unlinked(canary.last_used_agent) if canary.last_used_agent else ""}
    outbox.post(user.email, "canary_tried", description=unlinked(canary.description), hint=canary.hint, **facts)

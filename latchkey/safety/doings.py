"""What each browser, token and app did in an account in the last 30 days, as its activity and last uses tell it."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from latchkey import clock, grants, tokens
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import Event
from latchkey.notices.wording import device
from latchkey.origin import Doer

SPAN = timedelta(days=30)
# What is told at most; what is out of the ordinary comes first.
MOST = 40


class Doing(NamedTuple):
    """One of them: its kind (`session`, `token` or `app`), its name, what it did how often, and where it was last.

    `unseen` says that its address was never seen in this account before these 30 days.
    """

    kind: str
    name: str
    address: str
    last_at: str
    unseen: bool
    did: dict[str, int]


class Trace(NamedTuple):
    """One thing that was done: by whom, what tells them from others of the name, and what it was, if more than use."""

    kind: str
    mark: str
    name: str
    address: str
    at: datetime
    did: str | None = None


def of(user: User) -> list[Doing]:
    """The doings of all of them, what was never seen before first, then by how much they did."""
    since = clock.now() - SPAN
    known = activity.addresses(user, until=since)
    last: dict[tuple[str, str], Trace] = {}
    did: dict[tuple[str, str], Counter[str]] = {}
    for trace in sorted((*_by_events(user, since), *_by_use(user, since)), key=lambda trace: trace.at):
        key = trace.kind, trace.mark
        last[key] = trace._replace(address=trace.address or (last[key].address if key in last else ""))
        did.setdefault(key, Counter()).update([trace.did] if trace.did else [])
    told = [_told(trace, dict(did[key]), known) for key, trace in last.items()]
    return sorted(told, key=lambda each: (not each.unseen, -sum(each.did.values()), each.name))[:MOST]


def _told(last: Trace, did: dict[str, int], known: set[str]) -> Doing:
    # An account without an older log has nothing to compare with.
    unseen = bool(known and last.address and last.address not in known)
    return Doing(last.kind, last.name, last.address, clock.rfc3339(last.at), unseen, did)


def _by_events(user: User, since: datetime) -> Iterator[Trace]:
    return filter(None, map(_by_event, activity.own_doings(user, since=since)))


def _by_event(event: Event) -> Trace | None:
    actor = event.detail.get("actor", {})
    doer = actor.get("doer", Doer.OWNER)
    if doer == Doer.OWNER:
        return Trace(
            "session", f"{event.agent} {event.address}", device(event.agent), event.address, event.at, event.kind
        )
    if doer in (Doer.TOKEN, Doer.APP):
        name = str(actor.get("name", ""))
        return Trace(str(doer), str(actor.get("id", "")), name, event.address, event.at, event.kind)
    return None


def _by_use(user: User, since: datetime) -> Iterator[Trace]:
    """Tokens and apps that were used, whatever else they did."""
    for token in tokens.used_since(user, since, MOST):
        if token.last_used_at is not None:
            yield Trace("token", token.id, token.description or "", token.last_used_address or "", token.last_used_at)
    for standing in grants.list_for(user):
        if standing.last_used_at is not None and standing.last_used_at > since:
            yield Trace("app", standing.client_id, standing.client.name, "", standing.last_used_at)

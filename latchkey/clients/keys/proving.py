"""An app proves itself by its key; where the key is new, the app's address is asked for it, seldom (J-09)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select

from latchkey import clock, ids, settings
from latchkey.clients import asking, document_urls
from latchkey.clients.keys import assertions, record, sets
from latchkey.clients.keys.assertions import Assertion, BadAssertion
from latchkey.clients.keys.record import ClientKeys
from latchkey.clients.keys.sets import BadKeys, Jwk
from latchkey.clients.record import Client
from latchkey.fetching import Answer, NotFetched
from latchkey.store.prepared import PreparedSelect

KINDS = frozenset({"application/json", "application/jwk-set+json"})
# How often an app's address is asked, whatever it says and whoever makes us ask.
EVERY = timedelta(minutes=5)
# How long a set holds at most: a key that was taken out of it opens nothing after that.
LONGEST = timedelta(hours=1)
# How long what was read last holds while its host does not answer.
KEPT = timedelta(hours=24)
# Of this process, at a time: each may take 5 seconds of a thread.
AT_ONCE = 4

_places = threading.BoundedSemaphore(AT_ONCE)
_facts = (
    select(
        Client.id,
        Client.suspended_at.is_not(None).label("suspended"),
        Client.document_pinned_at.is_not(None).label("pinned"),
        ClientKeys.keys,
        ClientKeys.url,
        ClientKeys.changed_at,
        ClientKeys.read_at,
        ClientKeys.fresh_until,
        ClientKeys.asked_at,
    )
    .select_from(Client)
    .join(ClientKeys, ClientKeys.client_id == Client.id)
    .where(Client.keyed)
)
_known = PreparedSelect("KeysOfApp", _facts.where(Client.id == bindparam("client_id"), Client.document_url.is_(None)))
_documented = PreparedSelect("KeysOfDocument", _facts.where(Client.document_url == bindparam("client_id")))


def prove(assertion: Assertion) -> str:
    """The id, as it is kept, of the app that this proves; it is used up. Raises `BadAssertion`, `TooMany`."""
    client_id = assertion.subject
    found: Any = None
    if ids.is_id(client_id, "app"):
        found = _known.one(client_id=client_id)
    elif document_urls.allowed(client_id):
        found = _documented.one(client_id=client_id)
    if found is None or found.suspended:
        raise BadAssertion("the app is suspended" if found else "there is no such app with keys of its own")
    until = assertions.check(assertion, client_id, settings.current().base_url)
    key = _key(found, assertion)
    if key is None:
        raise BadAssertion("no key of the app has the kid and alg that the assertion names")
    assertions.verify(assertion, key)
    assertions.spend(found.id, assertion, until, of=found.changed_at)
    return str(found.id)


def _key(found: Any, assertion: Assertion) -> Jwk | None:
    key = assertions.pick(found.keys, assertion)
    if found.url is None or found.pinned:
        return key
    now = clock.now()
    stale = found.fresh_until is None or found.fresh_until <= now
    if key is not None and not stale:
        return key
    newer = _asked_again(found)
    if newer is not None:
        return assertions.pick(newer, assertion)
    return key if found.read_at is not None and found.read_at > now - KEPT else None


def _asked_again(found: Any) -> list[Jwk] | None:
    """What stands at the app's address now; None where it may not be asked, or says nothing that can be used."""
    if found.asked_at is not None and found.asked_at > clock.now() - EVERY:
        return None
    with _place() as free:
        if not free or not record.claim(found.id, EVERY):
            return None
        try:
            answer = ask(found.url)
            keys = sets.read(answer.body, most=sets.LONGEST_FETCHED)
        except (NotFetched, BadKeys):
            return None
    record.keep(found.id, found.url, keys, holds(answer))
    return keys


@contextmanager
def _place() -> Iterator[bool]:
    free = _places.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            _places.release()


def ask(url: str, person: str = "") -> Answer:
    """What stands at the address of a key set. Raises `NotFetched`."""
    return asking.ask(url, asking.Sort.KEYS, most=sets.LONGEST_FETCHED, kinds=KINDS, person=person)


def holds(answer: Answer) -> timedelta:
    """How long a set holds, as its host says, within bounds."""
    return min(max(asking.lifetime(answer.cache_control), EVERY), LONGEST)

"""An app proves itself by its key; where the key is new, the app's address is asked for it, seldom (J-09)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select

from latchkey import clock, ids, settings, turns
from latchkey.accounts.throttle import TooMany
from latchkey.clients import asking, document_urls
from latchkey.clients.asking import NotAsked, Sort
from latchkey.clients.keys import assertions, record, sets
from latchkey.clients.keys.assertions import Assertion, BadAssertion
from latchkey.clients.keys.record import ClientKeys
from latchkey.clients.keys.sets import BadKeys, Jwk
from latchkey.clients.record import Client
from latchkey.fetching import Answer, NotFetched
from latchkey.store.prepared import PreparedSelect

KINDS = frozenset({"application/json", "application/jwk-set+json"})
# An app's address is asked at most once in this time, whatever it answers and whoever causes it.
EVERY = timedelta(minutes=5)
# How long a set holds at most: a key that was taken out of it opens nothing after that.
LONGEST = timedelta(hours=1)
# How long the last copy is used while the host does not answer.
KEPT = timedelta(hours=24)
# Requests of one sort that this process makes at the same time, each of which may take a thread for 5 seconds; and how
# many may wait for the answer to somebody else's request.
AT_ONCE = 4
# How long others wait for a request that is under way (an honest host has answered by then), how often they look, and
# when no process can be asking any more, even if one was killed.
YOUNG_SECONDS, LOOK_SECONDS, SETTLED = 1.0, 0.05, timedelta(seconds=6)
MOMENT_SECONDS = 1

_places = {sort: threading.BoundedSemaphore(AT_ONCE) for sort in Sort}
_waiting = threading.BoundedSemaphore(AT_ONCE)
_facts = (
    select(
        Client.id,
        Client.suspended_at.is_not(None).label("suspended"),
        Client.document_pinned_at.is_not(None).label("pinned"),
        Client.document_url,
        Client.document_fresh_until,
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
_same = PreparedSelect("KeysOfSame", _facts.where(Client.id == bindparam("id")))


class NotNow(TooMany):
    """An app's keys are out of date, and so much is asked for that its host is not."""


class OutOfDate(Exception):
    """The document of an app that describes itself may say by now that other keys are its own.

    `proven`: it was signed by one of those that were.
    """

    def __init__(self, *, proven: bool) -> None:
        super().__init__("the document is to be read again")
        self.proven = proven


def prove(assertion: Assertion, *, read_again: bool = False) -> str:
    """The id, as it is kept, of the app that this proves; it is used up.

    Raises `BadAssertion`, `TooMany`, and `OutOfDate` unless the app's document was just `read_again`.
    """
    client_id = assertion.subject
    found: Any = None
    if ids.is_id(client_id, "app"):
        found = _known.one(client_id=client_id)
    elif document_urls.allowed(client_id):
        found = _documented.one(client_id=client_id)
    if found is None or found.suspended:
        raise BadAssertion("the app is suspended" if found else "there is no such app with keys of its own")
    until = assertions.check(assertion, client_id, settings.current().base_url)
    if found.document_url is not None and not found.pinned:
        _check_document(found, assertion, read_again=read_again)
    key = _key(found, assertion)
    if key is None:
        raise BadAssertion("no key of the app has the kid and alg that the assertion names")
    assertions.verify(assertion, key)
    assertions.spend(found.id, assertion, until, of=found.changed_at)
    return str(found.id)


def _check_document(found: Any, assertion: Assertion, *, read_again: bool) -> None:
    """Raises `OutOfDate` past its time, or where it holds no such key; `BadAssertion` where it was not signed by it.

    If it was `read_again` and is past its time all the same, no key is looked for at the address that it named.
    """
    fresh = found.document_fresh_until is not None and found.document_fresh_until > clock.now()
    key = assertions.pick(found.keys, assertion)
    if read_again:
        if key is None and not fresh:
            raise BadAssertion("the app's metadata document is out of date, and the key was not known before")
        return
    if key is None and (found.url is None or not fresh):
        raise OutOfDate(proven=False)
    if key is not None and not fresh:
        assertions.verify(assertion, key)
        raise OutOfDate(proven=True)


def _key(found: Any, assertion: Assertion) -> Jwk | None:
    """The key of the app that it names, if that is still one. Raises `BadAssertion`, `TooMany`."""
    key = assertions.pick(found.keys, assertion)
    if found.url is None or found.pinned:
        return key
    if key is not None:
        return _still(found, assertion, key)
    with suppress(NotAsked):
        newer = _newer(found, Sort.KEYS)
        return None if newer is None else assertions.pick(newer, assertion)
    return None


def _still(found: Any, assertion: Assertion, key: Jwk) -> Jwk | None:
    """This key, as long as the set holds that it is in; then the one of this name that stands at the address now."""
    now = clock.now()
    if found.fresh_until is not None and found.fresh_until > now:
        return key
    # Only a valid signature makes us ask, so strangers cannot use up the turns for this.
    assertions.verify(assertion, key)
    try:
        newer = _newer(found, Sort.KEYS_AGAIN)
    except NotAsked:
        # The key is used only a while longer: strangers may have used up the budget, and it may have been withdrawn.
        if found.fresh_until is None or found.fresh_until <= now - LONGEST:
            raise NotNow(MOMENT_SECONDS) from None
        return key
    if newer is not None:
        return assertions.pick(newer, assertion)
    return key if found.read_at is not None and found.read_at > now - KEPT else None


def _newer(found: Any, sort: Sort) -> list[Jwk] | None:
    """What stands at the app's address now; None where its host says nothing that can be used. Raises `NotAsked`."""
    if found.asked_at is not None and found.asked_at > clock.now() - EVERY:
        return _brought(found, sort)
    with _place(_places[sort]):
        if not record.claim(found.id, EVERY):
            return _brought(found, sort)
        try:
            answer = ask(found.url, sort=sort)
            keys = sets.read(answer.body, most=sets.LONGEST_FETCHED, none=True)
        except NotAsked:
            record.asked(found.id, found.asked_at)
            raise
        except (NotFetched, BadKeys):
            # Recorded as long ago, so that nobody waits for this request.
            record.asked(found.id, clock.now() - SETTLED)
            return None
    record.keep(found.id, found.url, keys, holds(answer))
    return keys


def _brought(found: Any, sort: Sort) -> list[Jwk] | None:
    """What somebody else is told who asks at this moment; None where that was nothing, or takes long.

    Only who has a key waits for it. Raises `NotAsked` where many do.
    """
    if sort is not Sort.KEYS_AGAIN:
        return None
    with _place(_waiting):
        until = time.monotonic() + YOUNG_SECONDS
        while True:
            other, now = _same.one(id=found.id), clock.now()
            if other is None or other.read_at != found.read_at:
                return [] if other is None else list(other.keys)
            if other.asked_at is None or other.asked_at <= now - EVERY:
                raise NotAsked("whoever wanted to ask could not")
            if other.asked_at <= now - SETTLED or time.monotonic() > until:
                return None
            with turns.waiting():
                time.sleep(LOOK_SECONDS)


@contextmanager
def _place(place: threading.BoundedSemaphore) -> Iterator[None]:
    if not place.acquire(blocking=False):
        raise NotAsked("too many addresses are being asked: wait a moment")
    try:
        yield
    finally:
        place.release()


def ask(url: str, person: str = "", *, sort: Sort = Sort.KEYS) -> Answer:
    """What stands at the address of a key set. Raises `NotFetched`."""
    return asking.ask(url, sort, most=sets.LONGEST_FETCHED, kinds=KINDS, person=person)


def holds(answer: Answer) -> timedelta:
    """How long a set holds, as its host says, within bounds."""
    return min(max(asking.lifetime(answer.cache_control), EVERY), LONGEST)

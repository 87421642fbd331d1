"""What is fetched from hosts that somebody named for an app: within budgets by host and in all (J-09)."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from latchkey import fetching
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.fetching import Answer, NotFetched
from latchkey.values import Limit

# How long an answer holds: at least and at most, whatever its host says, and if it says nothing.
SHORTEST, LONGEST, USUAL = timedelta(minutes=1), timedelta(hours=24), timedelta(hours=1)
MAX_AGE = re.compile(r'max-age\s*=\s*"?([0-9]{1,9})', re.ASCII)
UNCACHED = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.ASCII)
# Budgets of requests: of one person, to one host, and in all.
OF_PERSON = (Limit(20, timedelta(minutes=10)),)
OF_HOST = (Limit(30, timedelta(minutes=1)),)
IN_ALL = (Limit(120, timedelta(minutes=1)),)
# Requests for waiting people that this process makes at the same time: each may take a thread for 5 seconds.
AT_ONCE = 4


class NotAsked(NotFetched):
    """A budget is used up, so the host was not asked: its last answer may be out of date."""


class Sort(StrEnum):
    """What is fetched. Each sort has budgets of its own, so that none starves another."""

    DOCUMENTS = "documents"
    KEYS = "keys"
    # Addresses that were read before: strangers cannot add to them at will.
    DOCUMENTS_AGAIN = "documents-again"
    KEYS_AGAIN = "keys-again"


_places = {sort: threading.BoundedSemaphore(AT_ONCE) for sort in Sort}


@contextmanager
def _place(sort: Sort) -> Iterator[None]:
    if not _places[sort].acquire(blocking=False):
        raise NotAsked("too many addresses are being asked: wait a moment")
    try:
        yield
    finally:
        _places[sort].release()


def ask(url: str, sort: Sort, *, most: int, kinds: frozenset[str], person: str = "") -> Answer:
    """What stands at an address; `person` is the id of whoever waits for it, if somebody does.

    Raises `NotFetched`, and `NotAsked` where the host said nothing since nobody asked it.
    """
    if not person:
        return _counted(url, sort, person, most, kinds)
    with _place(sort):
        return _counted(url, sort, person, most, kinds)


def _counted(url: str, sort: Sort, person: str, most: int, kinds: frozenset[str]) -> Answer:
    # Without the port, since a host has 65,535 of them.
    counters = [Counter(f"{sort}-of:{urlsplit(url).hostname}", OF_HOST), Counter(f"{sort}-in-all", IN_ALL)]
    if person:
        counters.append(Counter(f"{sort}-by:{person}", OF_PERSON))
    if throttle.hit(*counters):
        raise NotAsked("too many addresses were asked for: wait a minute")
    return fetching.ask(url, most=most, kinds=kinds, queue=sort)


def lifetime(cache_control: str) -> timedelta:
    """How long an answer holds, by what its host says and within bounds (RFC 9111 §5.2.2)."""
    said = cache_control.lower()
    if UNCACHED.search(said):
        return SHORTEST
    found = MAX_AGE.search(said)
    return min(max(timedelta(seconds=int(found[1])), SHORTEST), LONGEST) if found is not None else USUAL

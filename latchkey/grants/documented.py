"""Apps known by a metadata document: read when somebody signed in comes with one, seldom and within budgets."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from latchkey import clients, clock, turns
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.clients import BadMetadata, asking, described, documents
from latchkey.clients.asking import NotAsked, Sort
from latchkey.clients.keys import proving
from latchkey.fetching import Answer, NotFetched
from latchkey.grants import self_registered
from latchkey.mail import processes
from latchkey.store import leases
from latchkey.store.session import db
from latchkey.values import Limit

# Requests of one sort that this process makes at the same time; more would delay pages.
AT_ONCE = 4
# How long one process has an address to itself, and how long others wait for it: a request takes up to 5 seconds.
HELD, WAITED, LOOK_SECONDS = timedelta(seconds=10), 7.0, 0.1
# How long others wait for a request that is under way. An honest host has answered by then, and each that waits takes a
# thread from pages without being counted.
YOUNG_SECONDS = 1.0
# How often a document is read again for the keys of an app.
SELDOM = (Limit(1, proving.EVERY),)
KIND: dict[str, Any] = {"most": described.LONGEST, "kinds": documents.KINDS}
BUSY = "somebody else asks for it at this moment: try again"

_asked: dict[str, tuple[float, Sort, "Future[None]"]] = {}
_guard = threading.Lock()


class _Held(NamedTuple):
    """What is known of a document: when it was read, and until when that holds."""

    read_at: datetime | None
    fresh_until: datetime | None

    @property
    def fresh(self) -> bool:
        return self.fresh_until is not None and self.fresh_until > clock.now()


def bring_up_to_date(url: str, person: str) -> None:
    """Know what the document at an address says now, or said last if its host is away.

    `person` is the id of whoever came with it. Commits by itself and holds nothing while it waits for the host. Raises
    `NotFetched`, `clients.BadMetadata`.
    """
    held = _held(url)
    if held is None or held.fresh:
        return
    sort = Sort.DOCUMENTS if held.read_at is None else Sort.DOCUMENTS_AGAIN
    _renew(url, held, sort, lambda: asking.ask(url, sort, **KIND, person=person))


def bring_keys_up_to_date(url: str, *, proven: bool) -> None:
    """The same for an app that proves itself by keys which its document holds, or names the address of.

    It is asked once in a while, whoever sees to it: one who has `proven` to have a key that was one of them, or
    somebody else, to whom it is no matter what comes of it. Raises `NotFetched`, `clients.BadMetadata`.
    """
    held = _held(url)
    if held is None or (proven and held.fresh):
        return
    sort = Sort.KEYS_AGAIN if proven else Sort.KEYS
    turn = Counter(f"{sort}-in-document:{url}", SELDOM)
    if not proven:
        if not throttle.hit(turn):
            with suppress(NotFetched, BadMetadata):
                _renew(url, held, sort, lambda: asking.ask(url, sort, **KIND))
        return
    try:
        _renew(url, held, sort, lambda: _in_turn(url, sort, turn))
    except BadMetadata:
        # Not counted, and not excused by the earlier copy: the document itself is wrong now.
        throttle.refund(turn)
        raise


def _in_turn(url: str, sort: Sort, turn: Counter) -> Answer:
    if throttle.hit(turn):
        raise NotFetched("it was asked a moment ago")
    try:
        return asking.ask(url, sort, **KIND)
    except NotAsked:
        throttle.refund(turn)
        raise


def _held(url: str) -> _Held | None:
    """None: what was read is pinned."""
    known = clients.find(url)
    pinned = known is not None and known.document_pinned_at is not None
    held = _Held(known.document_read_at, known.document_fresh_until) if known is not None else _Held(None, None)
    db.rollback()
    return None if pinned else held


def _renew(url: str, held: _Held, sort: Sort, ask: Callable[[], Answer]) -> None:
    now = clock.now()
    try:
        _once(url, sort, lambda: _read(url, ask, now))
    except NotAsked:
        # The earlier copy holds only a while longer: its host may have withdrawn a redirect URI.
        if held.fresh_until is None or held.fresh_until <= now - documents.OVERDUE:
            raise
    except NotFetched:
        if held.read_at is None or held.read_at <= now - documents.KEPT:
            raise


def _read(url: str, ask: Callable[[], Answer], since: datetime) -> None:
    """Ask for it and keep it, one process of all hosts at a time; not if another one has meanwhile."""
    name, holder = f"document:{sha256(url.encode()).hexdigest()[:30]}", processes.name()
    until = time.monotonic() + WAITED
    while not leases.take(name, holder, HELD):
        if time.monotonic() > until:
            raise NotFetched(BUSY)
        with turns.waiting():
            time.sleep(LOOK_SECONDS)
    try:
        known = clients.find(url)
        there = known is not None and known.document_read_at is not None and known.document_read_at > since
        db.rollback()
        if there:
            return
        answer = ask()
        said, keys = documents.read(url, answer.body)
        _, new = documents.keep(url, said, keys, asking.lifetime(answer.cache_control))
        if new:
            self_registered.make_room()
        db.commit()
    finally:
        leases.end(name, holder)


def _join(begun: float, running: "Future[None]") -> None:
    """Wait for what somebody else asks, as long as that is young."""
    left = begun + YOUNG_SECONDS - time.monotonic()
    try:
        with turns.waiting():
            running.result(max(0.0, left))
    except TooLate:
        raise NotFetched(BUSY) from None


def _once(url: str, sort: Sort, work: Callable[[], None]) -> None:
    """Do it once in this process; whoever comes meanwhile waits for the same, and meets the same fault."""
    with _guard:
        running = _asked.get(url)
        if running is None:
            if sum(sort is other for _, other, _ in _asked.values()) >= AT_ONCE:
                raise NotAsked("too many documents are being asked for: wait a moment")
            mine: Future[None] = Future()
            _asked[url] = time.monotonic(), sort, mine
    if running is not None:
        begun, _, others = running
        _join(begun, others)
        return
    try:
        work()
        mine.set_result(None)
    except BaseException as error:
        mine.set_exception(error)
        raise
    finally:
        with _guard:
            del _asked[url]

"""Apps known by a metadata document: read when somebody signed in comes with one, seldom and within budgets."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from latchkey import clients, clock
from latchkey.clients import asking, described, documents
from latchkey.fetching import Answer, NotFetched
from latchkey.grants import self_registered
from latchkey.store.session import db

# Of this process, at a time; more would hold up those who wait for pages.
AT_ONCE = 4

_asked: dict[str, "Future[Answer]"] = {}
_guard = threading.Lock()


def bring_up_to_date(url: str, person: str) -> None:
    """Know what the document at an address says now, or said last if its host is away.

    `person` is the id of whoever came with it. Commits by itself and holds nothing while it waits for the host. Raises
    `NotFetched`, `clients.BadMetadata`.
    """
    known = clients.find(url)
    read_at, fresh_until = (known.document_read_at, known.document_fresh_until) if known is not None else (None, None)
    db.rollback()
    now = clock.now()
    if fresh_until is not None and fresh_until > now:
        return
    try:
        answer = _once(url, lambda: _fetched(url, person))
    except NotFetched:
        if read_at is not None and read_at > now - documents.KEPT:
            return
        raise
    said, keys = documents.read(url, answer.body)
    _, new = documents.keep(url, said, keys, asking.lifetime(answer.cache_control))
    if new:
        self_registered.make_room()
    db.commit()


def _fetched(url: str, person: str) -> Answer:
    return asking.ask(url, most=described.LONGEST, kinds=documents.KINDS, person=person)


def _once(url: str, work: Callable[[], Answer]) -> Answer:
    """What the host says to the one request of this process; whoever comes meanwhile waits for the same."""
    with _guard:
        running = _asked.get(url)
        if running is None:
            if len(_asked) >= AT_ONCE:
                raise NotFetched("too many documents are being asked for: wait a moment")
            mine = _asked[url] = Future()
    if running is not None:
        return running.result()
    try:
        mine.set_result(work())
    except BaseException as error:
        mine.set_exception(error)
        raise
    finally:
        with _guard:
            del _asked[url]
    return mine.result()

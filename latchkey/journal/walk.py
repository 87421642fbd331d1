"""Reading the chain from where it was sealed to its end, and finding the first entry that is not as it was closed."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import exists, select

from latchkey import clock
from latchkey.journal import links
from latchkey.journal.activity import KEPT, Event
from latchkey.journal.links import Gap, Head, Link
from latchkey.store.session import db

# Of an event, what the chain covers.
COLUMNS = (
    Event.id,
    Event.user_id,
    Event.kind,
    Event.at,
    Event.address,
    Event.agent,
    Event.request_id,
    Event.detail,
)
PAGE = 1_000
# Ids and moments of events are taken a moment apart, and hosts' clocks differ.
SLACK = timedelta(hours=1)
GONE = "is gone"

Mark = tuple[int, bytes]


class Broken(NamedTuple):
    """The first entry that is not as it was closed, and what is wrong with it."""

    seq: int
    event_id: str
    why: str

    @property
    def at(self) -> datetime | None:
        """When the event was, as its id says."""
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(int(self.event_id[4:16], 16) / 1000, UTC)
        return None


class Entry(NamedTuple):
    """A link as it is stored, the place that its event says it has, and the event's values if it is there."""

    seq: int
    event_id: str
    owner: bytes
    kind: str
    digest: bytes
    mac: bytes
    place: int | None
    event: tuple[Any, ...] | None


def along(head: Head, anchor: Mark | None, most: int | None = None) -> tuple[int, Broken | None]:
    """How many entries were looked at, and the first that is broken. `anchor` is where the chain once ended.

    Of so many at most, the latest: nobody without the key makes those that lead up to the end.
    """
    key = links.key_of(head)
    if key is None:
        return 0, Broken(head.sealed_to, "", "cannot be looked at: no secret key of this host opens the chain's own")
    if head.proof != head.expected(key):
        return 0, Broken(head.seq, "", "is where the chain ends, and that was changed")
    seq, mac, since = _beginning(head, most)
    count, ends = 0, dict(mark for mark in ((head.seq, head.mac), anchor) if mark is not None and mark[0] > seq)
    ends.setdefault(head.seq, head.mac)
    for page in _pages(seq):
        wrong = []
        for entry in page:
            wrong.append(_place(key, entry, seq, mac) or _end(entry, ends) or _content(key, entry))
            seq, mac = entry.seq, entry.mac
        count += len(page)
        if broken := _first(key, page, wrong):
            return count, broken
    if seq < max(ends):
        return count, Broken(seq + 1, "", "and what came after it are gone")
    return count, put_in(since)


def _beginning(head: Head, most: int | None) -> tuple[int, bytes, str]:
    """Behind which link to begin, what it ended with, and of which event it was; the first one if it is gone."""
    if most is not None and head.seq - head.sealed_to > most:
        before = db.scalar(select(Link).where(Link.seq == head.seq - most))
        if before is not None:
            return before.seq, before.mac, before.event_id
    return head.sealed_to, head.sealed_mac, ""


def _pages(after: int) -> Iterator[list[Entry]]:
    of_link = (Link.seq, Link.event_id, Link.owner, Link.kind.label("link_kind"), Link.digest, Link.mac)
    joined = select(*of_link, Event.seq.label("place"), *COLUMNS).outerjoin(Event, Event.id == Link.event_id)
    while rows := db.execute(joined.where(Link.seq > after).order_by(Link.seq).limit(PAGE)).all():
        read: list[tuple[Any, ...]] = [tuple(row) for row in rows]
        yield [Entry._make((*row[:7], row[7:] if row[7] is not None else None)) for row in read]
        after = read[-1][0]


def _place(key: bytes, entry: Entry, before: int, mac: bytes) -> str | None:
    """What is wrong with a link itself."""
    if entry.seq != before + 1:
        return "comes after one that was removed from the chain"
    link = Link(seq=entry.seq, event_id=entry.event_id, owner=entry.owner, kind=entry.kind, digest=entry.digest)
    return None if links.mac_of(key, mac, link) == entry.mac else "has another place in the chain than it was given"


def stretch(key: bytes, head: Head, until: int) -> bytes | None:
    """What the chain ends with at a place, if all links from where it was sealed to there are as they were closed."""
    seq, mac = head.sealed_to, head.sealed_mac
    for link in db.scalars(select(Link).where(Link.seq > seq, Link.seq <= until).order_by(Link.seq)):
        if link.seq != seq + 1 or links.mac_of(key, mac, link) != link.mac:
            return None
        seq, mac = link.seq, link.mac
    return mac if seq == until else None


def _end(entry: Entry, ends: dict[int, bytes]) -> str | None:
    return None if ends.get(entry.seq, entry.mac) == entry.mac else "is not what the chain ended with then"


def _content(key: bytes, entry: Entry) -> str | None:
    """What is wrong with the event of a link."""
    if entry.event is None:
        return GONE
    if links.digest_of(key, entry.event) != entry.digest:
        return "was changed"
    return "says that it was not closed" if entry.place != entry.seq else None


def _first(key: bytes, page: list[Entry], wrong: list[str | None]) -> Broken | None:
    """The first of a page that is broken. What is gone may have gone rightly: the gaps are read after the page."""
    gaps = [gap for gap in db.scalars(select(Gap)) if gap.proof == gap.expected(key)] if GONE in wrong else []
    rightly: dict[tuple[bytes, str], str] = {}
    for gap in gaps:
        about = gap.owner, gap.kind
        rightly[about] = max(gap.before, rightly.get(about, ""))
    purged = links.id_of(clock.now() - KEPT + SLACK)
    for entry, why in zip(page, wrong, strict=True):
        until = max(purged, *(rightly.get((entry.owner, kind), "") for kind in (entry.kind, links.EVERY_KIND)))
        if why is not None and not (why == GONE and entry.event_id < until):
            return Broken(entry.seq, entry.event_id, why)
    return None


def put_in(since: str = "") -> Broken | None:
    """An event that says that it was closed, and has no link; among those from an id on."""
    closed = (Event.seq.is_not(None), Event.id >= since, ~exists().where(Link.event_id == Event.id))
    unlinked = select(Event.seq, Event.id).where(*closed).order_by(Event.id).limit(1)
    found = db.execute(unlinked).first()
    return None if found is None else Broken(found.seq or 0, found.id, "was put in, or its place was removed")

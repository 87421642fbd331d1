"""The chain over all events: adding links, sealing what was purged, and verifying it."""

import json
import logging
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from latchkey import clock, settings, vault
from latchkey.journal import links, walk
from latchkey.journal.activity import KEPT, Event
from latchkey.journal.links import Gap, Head, Link
from latchkey.journal.walk import Broken
from latchkey.store.session import db

log = logging.getLogger("latchkey.chain")

AT_A_TIME = 500
TRIES = 3
SEALED_AT_A_TIME = 1_000
ANCHOR = "activity_chain"
TOLD_SECONDS = 3600.0


class Unreadable(Exception):
    """The file that records the end of the chain cannot be read."""


class Verdict(NamedTuple):
    """How many links were verified, how many events have none yet, and where the chain is broken, if it is."""

    entries: int
    waiting: int
    broken: Broken | None
    # Whether there are older links that were not verified.
    more: bool = False


def close() -> int:
    """Add links for some events that have none, in the order of their ids. Returns how many.

    One process at a time: another one finds the end of the chain taken, and nothing to do.
    """
    if db.scalar(select(Event.id).where(Event.seq.is_(None)).limit(1)) is None:
        return 0
    head = _hold_head(wait=False)
    key = _key(head)
    if head is None or key is None:
        return 0
    known = exists().where(Link.event_id == Event.id)
    rows = db.execute(
        select(*walk.COLUMNS).where(Event.seq.is_(None), ~known).order_by(Event.id).limit(AT_A_TIME)
    ).all()
    closed = [_link(head, key, row) for row in rows]
    if closed:
        fields = ("seq", "event_id", "owner", "kind", "digest", "mac")
        db.execute(insert(Link), [{name: getattr(link, name) for name in fields} for link in closed])
        db.execute(update(Event), [{"id": link.event_id, "seq": link.seq} for link in closed])
        _keep(head, key)
    return len(closed)


def _hold_head(*, wait: bool) -> Head | None:
    """The end of the chain, locked; None if another transaction holds it and `wait` is false."""
    taken = select(Head).with_for_update(skip_locked=not wait).execution_options(populate_existing=True)
    head = db.scalar(taken)
    if head is None and db.scalar(select(func.count()).select_from(Head)) == 0:
        with suppress(IntegrityError), db.begin_nested():
            db.add(_first())
        head = db.scalar(taken)
    return head


def _key(head: Head | None) -> bytes | None:
    """The key for further links; None if the end was tampered with, since nothing must be built on that."""
    key = links.key_of(head) if head is not None else None
    return key if head is not None and key is not None and head.proof == head.expected(key) else None


def _first() -> Head:
    nothing = {"seq": 0, "mac": links.START, "sealed_to": 0, "sealed_mac": links.START}
    head = Head(id=1, sealed_key=links.new_key(), proof=b"", **nothing)
    head.proof = head.expected(links.key_of(head) or b"")
    return head


def _keep(head: Head, key: bytes) -> None:
    head.proof = head.expected(key)
    head.sealed_key = vault.resealed(head.sealed_key)
    db.flush()


def _link(head: Head, key: bytes, row: Row[Any]) -> Link:
    """Make the link of an event and move the end of the chain to it."""
    owner, digest = links.owner_mark(key, row.user_id), links.digest_of(key, tuple(row))
    link = Link(seq=head.seq + 1, event_id=row.id, owner=owner, kind=row.kind, digest=digest)
    link.mac = links.mac_of(key, head.mac, link)
    head.seq, head.mac = link.seq, link.mac
    return link


class _Told:
    """Which faults were logged and when: a fault is found again with every link that is added."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, float]] = {}

    def tell(self, about: object, message: str) -> None:
        """Log a fault, unless the same was logged within the last hour."""
        now = time.monotonic()
        last, at = self._last.get(message, (None, float("-inf")))
        if about != last or now - at >= TOLD_SECONDS:
            self._last[message] = about, now
            log.error("%s", message)


_told = _Told()


def purge() -> bool:
    """Seal a part of the stretch whose events were all purged, and say whether there is more.

    Its links go, and where it ended is kept. Only as they were closed do they tell that their events were long ago.
    """
    head = _hold_head(wait=True)
    key = _key(head)
    if head is None or key is None:
        return False
    first = db.scalar(select(func.min(Link.seq)).where(Link.event_id >= links.id_of(clock.now() - KEPT - walk.SLACK)))
    last = head.seq if first is None else first - 1
    part = min(last, head.sealed_to + SEALED_AT_A_TIME)
    end = walk.stretch(key, head, part)
    if end is None:
        _told.tell(part, "the chain over all activity is broken where it should be sealed; run: latchkey doctor")
        return False
    if part > head.sealed_to:
        db.execute(delete(Link).where(Link.seq <= part))
        head.sealed_to, head.sealed_mac = part, end
        _keep(head, key)
    db.execute(delete(Gap).where(Gap.at < clock.now() - KEPT - 2 * walk.SLACK))
    return part < last


def anchor() -> None:
    """Record the end of the chain in the instance folder, so that cutting it off is noticed."""
    head = db.scalar(select(Head))
    try:
        before = _anchored()
    except Unreadable:
        _told.tell(_anchor(), "what was written down of the end of the chain cannot be read; run: latchkey doctor")
        return
    if head is None:
        return
    if before is not None and before[0] > head.sealed_to and _mac_at(before[0]) != before[1]:
        # The earlier record is kept as the evidence.
        _told.tell(before, "the chain over all activity does not hold what it ended with before; run: latchkey doctor")
        return
    path = _anchor()
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        json.dump({"seq": head.seq, "mac": head.mac.hex()}, file)
    Path(unfinished).replace(path)


def _mac_at(seq: int) -> bytes | None:
    return db.scalar(select(Link.mac).where(Link.seq == seq))


def _anchor() -> Path:
    return settings.current().instance / ANCHOR


def _anchored() -> tuple[int, bytes] | None:
    try:
        kept = json.loads(_anchor().read_text())
        return int(kept["seq"]), bytes.fromhex(kept["mac"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise Unreadable from None


def check(most: int | None = None) -> Verdict:
    """Verify the whole chain, or its latest links. Tells the first link that is broken."""
    waiting = db.scalar(select(func.count()).select_from(Event).where(Event.seq.is_(None))) or 0
    verdict = Verdict(0, waiting, None)
    for _ in range(TRIES):
        head = db.scalar(select(Head).execution_options(populate_existing=True))
        try:
            anchored = _anchored()
        except Unreadable:
            return verdict._replace(broken=Broken(1, "", f"cannot be compared: {ANCHOR} cannot be read"))
        if head is None:
            gone = Broken(1, "", "and all that came after it are gone") if anchored else None
            return verdict._replace(broken=gone or walk.put_in())
        sealed = head.sealed_to
        entries, broken = walk.along(head, anchored, most)
        verdict = Verdict(entries, waiting, broken, more=broken is None and entries < head.seq - sealed)
        # A part may have been sealed while it was read.
        if broken is None or db.scalar(select(Head.sealed_to)) == sealed:
            break
    return verdict

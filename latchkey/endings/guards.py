"""Which guards follow what ends, how far each has come, and how long the last ending took to reach it.

A guard names the number up to which it has forgotten. Each process notes what it hears in memory and writes down every
few seconds what is new; the numbers are moments, so the first who hears one knows how long the way was.
"""

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ForeignKey, String, and_, case, column, func, or_, select, table
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock
from latchkey.endings.record import Ending, moment
from latchkey.store.session import Base, db, insert_into
from latchkey.store.sweeping import sweep

LONGEST_NAME = 40
# A guard that was silent for so long is taken to be gone.
SILENT = timedelta(seconds=30)
KEPT = timedelta(hours=1)
# How often the row of a guard is updated while nothing else changes.
SEEN_EVERY = timedelta(seconds=10)
# How many guards a process remembers, and how many of one app. Further ones are answered but not measured.
MOST, MOST_OF_ONE = 5_000, 1_000
LISTED = 200
# Nobody's number is from longer ago than what is kept of them, but for one that was the last for long.
LONGEST_MS = 24 * 60 * 60 * 1000

_clients = table("client", column("id"))


class Guard(Base):
    """One process of a service that remembers answers, as it called itself."""

    __tablename__ = "guard"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    # How long the ending with this number took to reach it; None if that was not measured.
    took_ms: Mapped[int | None]
    seen_at: Mapped[datetime] = mapped_column(index=True)


class Heard(NamedTuple):
    """What a process last heard of a guard, and when that was last written down."""

    seq: int
    took_ms: int | None
    at: datetime
    written_at: datetime | None


class Following(NamedTuple):
    """A guard that follows, as administrators see it; `behind` is how long the first ending that it lacks waits."""

    guard: Guard
    took: timedelta | None
    behind: timedelta


_heard: dict[tuple[str, str], Heard] = {}
_of_one: Counter[str] = Counter()
_lock = threading.Lock()


def hear(client_id: str, name: str, seq: int) -> None:
    """Note that a guard has processed all endings up to this number."""
    key, now = (client_id, name), clock.now()
    with _lock:
        known = _heard.get(key)
        if known is None:
            if len(_heard) >= MOST or _of_one[client_id] >= MOST_OF_ONE:
                return
            _of_one[client_id] += 1
            _heard[key] = Heard(seq, None, now, None)
        elif known.seq == seq:
            _heard[key] = known._replace(at=now)
        elif known.seq == 0 and moment(seq) < known.at:
            # It began with nothing to forget: what ended before that had no way to make.
            _heard[key] = Heard(seq, None, now, None)
        else:
            took = int((now - moment(seq)) / timedelta(milliseconds=1))
            _heard[key] = Heard(seq, min(max(0, took), LONGEST_MS), now, None)


def flush() -> int:
    """Write what changed since the last time. Commits. Returns of how many guards; what failed is tried again."""
    now = clock.now()
    with _lock:
        for key in [key for key, heard in _heard.items() if heard.at < now - KEPT]:
            del _heard[key]
            _of_one[key[0]] -= 1
        due = {
            key: heard
            for key, heard in _heard.items()
            if heard.written_at is None or heard.at - heard.written_at >= SEEN_EVERY
        }
    if not due:
        return 0
    named = {client_id for client_id, _ in due}
    there = set(db.scalars(select(_clients.c.id).where(_clients.c.id.in_(named)).with_for_update(read=True)))
    # An app that was deleted meanwhile must not keep the others from being written down.
    gone = {key for key in due if key[0] not in there}
    rows = [_row(*key, heard) for key, heard in sorted(due.items()) if key not in gone]
    if rows:
        db.execute(_written(), rows)
    db.commit()
    with _lock:
        for key in gone & _heard.keys():
            del _heard[key]
            _of_one[key[0]] -= 1
        for key, heard in due.items():
            if key in _heard and _heard[key].seq == heard.seq:
                _heard[key] = _heard[key]._replace(written_at=heard.at)
    return len(rows)


def _row(client_id: str, name: str, heard: Heard) -> dict[str, Any]:
    return {"client_id": client_id, "name": name, "seq": heard.seq, "took_ms": heard.took_ms, "seen_at": heard.at}


def _written() -> Any:
    statement = insert_into(Guard.__table__)
    new, old = statement.excluded, Guard.__table__.c
    # Each process hears a guard now and then: the first that heard a number knows how long it took.
    sooner = or_(old.took_ms.is_(None), new.took_ms < old.took_ms)
    better = or_(new.seq > old.seq, and_(new.seq == old.seq, new.took_ms.is_not(None), sooner))
    changed = {
        "seq": case((new.seq > old.seq, new.seq), else_=old.seq),
        "took_ms": case((better, new.took_ms), else_=old.took_ms),
        "seen_at": new.seen_at,
    }
    return statement.on_conflict_do_update(index_elements=["client_id", "name"], set_=changed)


def following() -> list[Following]:
    """The guards that follow, those that are furthest behind first."""
    now = clock.now()
    missed = select(func.min(Ending.seq)).where(Ending.seq > Guard.seq).scalar_subquery()
    statement = select(Guard, missed).where(Guard.seen_at > now - SILENT).order_by(Guard.seq, Guard.name).limit(LISTED)
    return [
        Following(
            guard,
            None if guard.took_ms is None else timedelta(milliseconds=guard.took_ms),
            timedelta(0) if first is None else max(timedelta(0), now - moment(first)),
        )
        for guard, first in db.execute(statement).all()
    ]


def last() -> datetime | None:
    """When something ended last."""
    seq = db.scalar(select(func.max(Ending.seq)))
    return None if seq is None else moment(seq)


def purge() -> bool:
    """Remove some of those that do not follow any more; whether there may be more."""
    return sweep(Guard, Guard.seen_at < clock.now() - KEPT)

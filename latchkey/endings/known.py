"""Which resources there were at the last start: one that is gone or has lost scopes narrows what tokens may do."""

import hashlib
from datetime import timedelta

from sqlalchemy import LargeBinary, String, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, resources
from latchkey.endings.record import Ending, Kind, note, number
from latchkey.resources import Resource
from latchkey.store.session import Base, db

# So long the servers of an installation may take to be exchanged one after the other.
EXCHANGE = timedelta(hours=1)


class KnownResource(Base):
    """A resource as it was when a server last started."""

    __tablename__ = "known_resource"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


def compare() -> list[str]:
    """Note what is gone or another since the last start; the names. Commits."""
    now = {resource.name: _digest(resource) for resource in resources.catalogue().values()}
    # Two servers that start at once go one after the other.
    before = {
        row.name: row.digest for row in db.scalars(select(KnownResource).order_by(KnownResource.name).with_for_update())
    }
    if before == now:
        # One that starts later went on with the former ones until now, and guards remember what it said of them.
        changed = _told_lately()
        note(Kind.RESOURCE, *changed)
        db.commit()
        return changed
    changed = [name for name, digest in before.items() if now.get(name) != digest]
    note(Kind.RESOURCE, *changed)
    db.execute(delete(KnownResource).execution_options(synchronize_session=False))
    db.execute(insert(KnownResource), [{"name": name, "digest": digest} for name, digest in now.items()])
    db.commit()
    return changed


def _told_lately() -> list[str]:
    told = select(Ending.target_id).where(Ending.kind == Kind.RESOURCE, Ending.seq > number(clock.now() - EXCHANGE))
    return list(db.scalars(told.distinct().order_by(Ending.target_id)))


def _digest(resource: Resource) -> bytes:
    return hashlib.sha256("\n".join((resource.key, *sorted(resource.scopes))).encode()).digest()

"""Apps that registered themselves (RFC 7591): made within a ceiling, and removed when nobody uses them."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select

from latchkey import clients, clock
from latchkey.clients import Client
from latchkey.clients.described import Said
from latchkey.grants.record import Grant
from latchkey.store.session import affected, db

# Of those that nobody has let do anything yet; past it the oldest give way.
MOST_UNUSED = 10_000
# How long one may wait for its first sign-in, and for another one after its last has ended.
UNUSED = timedelta(days=1)
ENDED = timedelta(days=30)
AT_A_TIME = 100


def register(said: Said) -> Client:
    """A new client of nobody; where there are too many that nobody uses, the oldest of them go."""
    client = clients.add(said)
    unused = select(Client.id).where(Client.owner_id.is_(None), ~exists().where(Grant.client_id == Client.id))
    if surplus := list(db.scalars(unused.order_by(Client.created_at.desc(), Client.id.desc()).offset(MOST_UNUSED))):
        _remove(surplus, ~exists().where(Grant.client_id == Client.id))
    return client


def purge() -> bool:
    """Remove some that nobody uses; whether there may be more."""
    now = clock.now()
    live = and_(Grant.ended_at.is_(None), Grant.expires_at > now)
    kept = exists().where(Grant.client_id == Client.id, or_(live, Grant.ended_at > now - ENDED))
    disused = and_(Client.owner_id.is_(None), Client.created_at < now - UNUSED, ~kept)
    found = list(db.scalars(select(Client.id).where(disused).order_by(Client.id).limit(AT_A_TIME)))
    if found:
        _remove(found, disused)
    return len(found) == AT_A_TIME


def _remove(found: Iterable[str], which: ColumnElement[bool]) -> int:
    """Remove those of these for which the condition still holds when nobody can begin anything under them any more."""
    held = select(Client.id).where(Client.id.in_(list(found))).order_by(Client.id)
    # Whoever is agreeing to one in this moment holds it: it is used.
    locked = list(db.scalars(held.with_for_update(of=Client, skip_locked=True)))
    # Another statement, which sees what was begun until the lock was had.
    gone = delete(Client).where(Client.id.in_(locked), which)
    return affected(gone.execution_options(synchronize_session=False))

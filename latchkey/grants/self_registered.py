"""Apps that describe themselves: made within a ceiling, and removed when nobody uses them."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select

from latchkey import clients, clock, endings
from latchkey.clients import Client
from latchkey.clients.described import Said
from latchkey.grants.record import Grant
from latchkey.store.session import affected, db

# Self-registered apps that nobody has authorized yet; one more removes the oldest.
MOST_UNUSED = 10_000
# How long an app is kept without a first sign-in, and after its last sign-in has ended.
UNUSED = timedelta(days=1)
ENDED = timedelta(days=30)
AT_A_TIME = 100


def register(said: Said) -> Client:
    """A new client of nobody; where there are too many that nobody uses, the oldest of them go."""
    client = clients.add(said)
    make_room()
    return client


def make_room() -> None:
    """Remove the oldest of those that nobody uses where there are too many. What an administrator stopped stays so."""
    unused = and_(
        Client.owner_id.is_(None), Client.suspended_at.is_(None), ~exists().where(Grant.client_id == Client.id)
    )
    newest = select(Client.id).where(unused).order_by(Client.created_at.desc(), Client.id.desc())
    if surplus := list(db.scalars(newest.offset(MOST_UNUSED))):
        _remove(surplus, unused)


def purge() -> bool:
    """Remove some that nobody uses; whether there may be more."""
    now = clock.now()
    live = and_(Grant.ended_at.is_(None), Grant.expires_at > now)
    kept = exists().where(Grant.client_id == Client.id, or_(live, Grant.ended_at > now - ENDED))
    stopped = Client.suspended_at.is_not(None)
    disused = and_(Client.owner_id.is_(None), Client.created_at < now - UNUSED, ~stopped, ~kept)
    found = list(db.scalars(select(Client.id).where(disused).order_by(Client.id).limit(AT_A_TIME)))
    if found:
        _remove(found, disused)
    return len(found) == AT_A_TIME


def _remove(found: Iterable[str], which: ColumnElement[bool]) -> int:
    """Remove those of these for which the condition still holds when nobody can begin anything under them any more."""
    held = select(Client.id).where(Client.id.in_(list(found))).order_by(Client.id)
    # An app that is locked is being authorized at this moment, so it is skipped.
    locked = list(db.scalars(held.with_for_update(of=Client, skip_locked=True)))
    # A second statement, which sees what was begun before the locks were taken.
    gone = delete(Client).where(Client.id.in_(locked), which)
    endings.note(endings.Kind.CLIENT, *locked)
    return affected(gone.execution_options(synchronize_session=False))

"""Clients that are stopped: by an administrator, with their owner, after a leak or a break-in, or while being deleted.

Each cause is lifted by itself, and a client goes on when none is left. `suspended_at` says whether there is one.
"""

from enum import StrEnum

from latchkey import clock, endings
from latchkey.clients.record import Client, lock
from latchkey.store.session import db


class Cause(StrEnum):
    """Why a client is stopped."""

    ADMINISTRATOR = "administrator"
    OWNER = "owner"
    LEAK = "leak"
    HACKED = "hacked"
    DELETION = "deletion"


# The causes that the owner may lift, after looking the client over.
OWNERS_TO_LIFT = frozenset({Cause.LEAK, Cause.HACKED})


def causes(client: Client) -> frozenset[Cause]:
    """Why a client is stopped now; none: it is not."""
    return frozenset(Cause(name) for name in client.suspended_for.split())


def suspend(client: Client, cause: Cause = Cause.ADMINISTRATOR, reason: str | None = None) -> bool:
    """Stop a client: its tokens, codes and requests are refused from the next request on. Whether this cause is new."""
    locked = lock(client.id)
    if locked is None:
        return False
    before, now = causes(locked), clock.now()
    _keep(locked, before | {cause})
    locked.suspended_at = locked.suspended_at or now
    locked.last_suspended_at = now
    endings.note(endings.Kind.CLIENT, locked.id)
    if cause is Cause.ADMINISTRATOR:
        locked.suspension_reason = reason
    db.flush()
    return cause not in before


def restore(client: Client, cause: Cause = Cause.ADMINISTRATOR) -> bool:
    """Lift a cause. Whether the client goes on now, which it does when there is no other one."""
    locked = lock(client.id)
    if locked is None or cause not in causes(locked):
        return False
    left = causes(locked) - {cause}
    _keep(locked, left)
    if cause is Cause.ADMINISTRATOR:
        locked.suspension_reason = None
    if not left:
        locked.suspended_at = None
    db.flush()
    return not left


def _keep(client: Client, left: frozenset[Cause]) -> None:
    client.suspended_for = " ".join(sorted(left))

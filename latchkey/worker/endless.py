"""Ends sign-ins whose app refreshes without end, and tells their users."""

from collections.abc import Iterable
from functools import partial

from latchkey import grants, notices, origin
from latchkey.accounts import users
from latchkey.grants import EndReason, Grant
from latchkey.origin import Origin
from latchkey.store import conflicts
from latchkey.store.session import db


def end(grant_ids: Iterable[str]) -> None:
    """End these. Commits, once for each; nobody did this, so events name neither a person nor an address."""
    mark = origin.current.set(Origin("", "", ""))
    try:
        for grant_id in grant_ids:
            conflicts.again(partial(_end, grant_id))
    finally:
        origin.current.reset(mark)


def _end(grant_id: str) -> None:
    grant = db.get(Grant, grant_id)
    # The first of all locks (conflicts).
    user = users.lock(grant.user_id) if grant is not None and grant.user_id is not None else None
    if grant is not None and grants.end(grant.id, EndReason.ENDLESS) and user is not None:
        notices.refreshed_without_end(user, grant.client)
    db.commit()

"""Many sign-ins at a time: how many are kept of one app, which can make them for ever, and those that end together."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select, update

from latchkey import clients, clock, endings, scopes
from latchkey.grants.reasons import EndReason
from latchkey.grants.record import ABSOLUTE, Authorization, Grant
from latchkey.store.session import affected, db

# Of one authorization; past it the oldest goes, with its tokens.
MOST = 100


def limit(begun: Grant) -> None:
    """Make room for the sign-in that has just begun; its authorization is locked."""
    newest = select(Grant.id).where(Grant.authorization_id == begun.authorization_id).order_by(Grant.id.desc())
    if too_many := list(db.scalars(newest.offset(MOST))):
        endings.note(endings.Kind.GRANT, *too_many)
        db.execute(delete(Grant).where(Grant.id.in_(too_many)).execution_options(synchronize_session=False))


def end_one(authorization: Authorization, grant_id: str) -> bool:
    """End one sign-in under an authorization; whether it was live."""
    endings.note(endings.Kind.GRANT, grant_id)
    one = (Grant.id == grant_id, Grant.authorization_id == authorization.id, Grant.ended_at.is_(None))
    return affected(update(Grant).where(*one).values(ended_at=clock.now(), end_reason=EndReason.SIGNED_OUT)) == 1


def end_own(client_ids: Iterable[str]) -> int:
    """End the sign-ins of these apps as themselves, which whoever had a secret of theirs could begin; how many."""
    own = list(client_ids)
    endings.note(endings.Kind.CLIENT, *own)
    live = (Grant.client_id.in_(own), Grant.user_id.is_(None), Grant.ended_at.is_(None))
    return affected(update(Grant).where(*live).values(ended_at=clock.now(), end_reason=EndReason.SECRETS_ENDED))


def begin(
    client_id: str, wanted: Iterable[str], expires_at: datetime | None = None, resource: str | None = None
) -> Grant:
    """A grant of an app as itself (RFC 6749 §4.4), which need not outlive its one token. Raises `ClientGone`."""
    clients.share(client_id)
    ends_at = expires_at or clock.now() + ABSOLUTE
    grant = Grant(client_id=client_id, scope=scopes.serialize(wanted), expires_at=ends_at, resource=resource)
    db.add(grant)
    db.flush()
    return grant

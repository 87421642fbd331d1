"""Sign-ins of apps one by one, those that end together, and those of apps as themselves."""

from collections.abc import Iterable

from sqlalchemy import Integer, String, bindparam, insert, select, update

from latchkey import clock, endings
from latchkey.clients import Client
from latchkey.grants.reasons import EndReason
from latchkey.grants.record import Authorization, Grant
from latchkey.store.session import UtcDateTime, affected


def end_one(authorization: Authorization, grant_id: str) -> bool:
    """End one sign-in under an authorization; whether it was live."""
    one = (Grant.id == grant_id, Grant.authorization_id == authorization.id, Grant.ended_at.is_(None))
    if affected(update(Grant).where(*one).values(ended_at=clock.now(), end_reason=EndReason.SIGNED_OUT)) != 1:
        return False
    endings.note(endings.Kind.GRANT, grant_id)
    return True


def end_own(client_ids: Iterable[str]) -> int:
    """End the sign-ins of these apps as themselves, which whoever had a secret of theirs could begin; how many."""
    own = list(client_ids)
    endings.note(endings.Kind.CLIENT, *own)
    live = (Grant.client_id.in_(own), Grant.user_id.is_(None), Grant.ended_at.is_(None))
    return affected(update(Grant).where(*live).values(ended_at=clock.now(), end_reason=EndReason.SECRETS_ENDED))


# The client is locked: suspending it or ending its secrets comes either before this, and is seen, or after it.
_standing = select(
    bindparam("grant_id", type_=String),
    Client.id,
    bindparam("scope", type_=String),
    bindparam("resource", type_=String),
    bindparam("now", type_=UtcDateTime),
    bindparam("ends_at", type_=UtcDateTime),
).where(
    Client.id == bindparam("client_id"),
    Client.suspended_at.is_(None),
    Client.proofs_ended == bindparam("proofs_ended", type_=Integer),
)
# Lets an app act as itself (RFC 6749 §4.4), unless it is gone, or what proved it.
BEGIN = insert(Grant).from_select(
    ["id", "client_id", "scope", "resource", "created_at", "expires_at"],
    _standing.with_for_update(read=True, of=Client),
    include_defaults=False,
)

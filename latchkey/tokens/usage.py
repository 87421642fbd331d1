"""When and from where tokens were last used: noted in memory, written by the second, at most once a minute a token."""

import threading
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from latchkey import clock, origin
from latchkey.grants import Authorization, Grant
from latchkey.store import conflicts
from latchkey.store.session import UtcDateTime, engines
from latchkey.tokens import Token

NOTED_EVERY = timedelta(minutes=1)


class Use(NamedTuple):
    """The last use of one string: a token that is regenerated meanwhile was not used itself."""

    digest: bytes
    grant_id: str | None
    at: datetime
    address: str
    agent: str


_pending: dict[bytes, Use] = {}
_guard = threading.Lock()

_note_token = (
    update(Token.__table__)  # type: ignore[arg-type] # a Table
    .where(Token.__table__.c.digest == bindparam("of_token"))
    .values(
        last_used_at=bindparam("at", type_=UtcDateTime),
        last_used_address=bindparam("address"),
        last_used_agent=bindparam("agent"),
    )
)
_note_authorization = (
    update(Authorization.__table__)  # type: ignore[arg-type] # a Table
    .where(
        Authorization.__table__.c.id.in_(
            select(Grant.authorization_id).where(Grant.id == bindparam("of_grant")).scalar_subquery()
        )
    )
    .values(last_used_at=bindparam("at", type_=UtcDateTime), last_used_address=bindparam("address"))
)


def note(digest: bytes, grant_id: str | None) -> None:
    """Remember that a token was used just now, from where this request came."""
    here = origin.current.get()
    use = Use(digest, grant_id, clock.now(), here.address, here.agent)
    with _guard:
        _pending[digest] = use


def flush() -> int:
    """Write what was noted, in one transaction; how many tokens. What could not be written stays noted."""
    with _guard:
        uses = sorted(_pending.values())
        _pending.clear()
    try:
        conflicts.again(lambda: _write(uses))
    except SQLAlchemyError:
        with _guard:
            for use in uses:
                _pending.setdefault(use.digest, use)
        raise
    return len(uses)


def _write(uses: list[Use]) -> None:
    if not uses:
        return
    under_grants: list[dict[str, Any]] = [
        {"of_grant": use.grant_id, "at": use.at, "address": use.address} for use in uses if use.grant_id
    ]
    under_grants.sort(key=itemgetter("of_grant"))
    with engines().write.begin() as connection:
        # In the order of locks (conflicts).
        if under_grants:
            connection.execute(_note_authorization, under_grants)
        connection.execute(
            _note_token, [{"of_token": u.digest, "at": u.at, "address": u.address, "agent": u.agent} for u in uses]
        )

"""When and from where tokens were last used: noted in memory, written by the second, at most once a minute a token."""

import threading
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import UpdateBase

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


Row: TypeAlias = dict[str, Any]
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
# Those of some that nobody holds.
_keys: Any = bindparam("keys", expanding=True)
_free_tokens = select(Token.digest).where(Token.digest.in_(_keys)).with_for_update(key_share=True, skip_locked=True)
_free_grants = (
    select(Grant.id)
    .join(Authorization, Authorization.id == Grant.authorization_id)
    .where(Grant.id.in_(_keys))
    .with_for_update(of=Authorization, key_share=True, skip_locked=True)
)


def note(digest: bytes, grant_id: str | None) -> None:
    """Remember that a token was used just now, from where this request came."""
    here = origin.current.get()
    use = Use(digest, grant_id, clock.now(), here.address, here.agent)
    with _guard:
        _pending[digest] = use


def flush() -> int:
    """Write what was noted; how many tokens. What could not be written stays noted."""
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
    under_grants: list[Row] = [
        {"of_grant": use.grant_id, "at": use.at, "address": use.address} for use in uses if use.grant_id
    ]
    _write_each(_note_authorization, under_grants, "of_grant", _free_grants)
    of_tokens: list[Row] = [
        {"of_token": use.digest, "at": use.at, "address": use.address, "agent": use.agent} for use in uses
    ]
    _write_each(_note_token, of_tokens, "of_token", _free_tokens)


def _write_each(statement: UpdateBase, rows: list[Row], key: str, free: Select[Any]) -> None:
    """Write these together, but those that somebody holds one by one: whoever waits holds nothing meanwhile.

    They are anybody's, used in any order, and whoever ends several of a user's tokens waits for each of them.
    """
    if not rows:
        return
    late: list[Row] = []
    with engines().write.begin() as connection:
        if not engines().embedded:
            found = {name for (name,) in connection.execute(free, {"keys": [row[key] for row in rows]})}
            late = [row for row in rows if row[key] not in found]
        if len(late) < len(rows):
            connection.execute(statement, [row for row in rows if row not in late] if late else rows)
    for row in late:
        with engines().write.begin() as connection:
            connection.execute(statement, row)

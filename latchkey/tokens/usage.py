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
from latchkey.store.session import Base, UtcDateTime, engines
from latchkey.tokens import Token

NOTED_EVERY = timedelta(minutes=1)
# Tokens in one statement, which takes at most 65,535 parameters; more may wait after a while without the database.
AT_A_TIME = 1_000


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
# Those of some that are there: an app that acts as itself has no authorization.
_keys: Any = bindparam("keys", expanding=True)
_tokens = select(Token.digest).where(Token.digest.in_(_keys))
_grants = select(Grant.id).join(Authorization, Authorization.id == Grant.authorization_id).where(Grant.id.in_(_keys))


def note(digest: bytes, grant_id: str | None) -> None:
    """Remember that a token was used just now, from where this request came."""
    here = origin.current.get()
    use = Use(digest, grant_id, clock.now(), here.address, here.agent)
    with _guard:
        _pending[digest] = use


def flush() -> int:
    """Write what was noted. Returns of how many tokens; what could not be written stays noted."""
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
    of_tokens: list[Row] = [
        {"of_token": use.digest, "at": use.at, "address": use.address, "agent": use.agent} for use in uses
    ]
    for first in range(0, len(uses), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        _write_each(_note_authorization, under_grants[part], "of_grant", _grants, Authorization)
        _write_each(_note_token, of_tokens[part], "of_token", _tokens, Token)


def _write_each(statement: UpdateBase, rows: list[Row], key: str, there: Select[Any], held: type[Base]) -> None:
    """Write these together, but those that somebody holds one by one: whoever waits holds nothing meanwhile.

    They are anybody's, used in any order, and whoever ends several of a user's tokens waits for each of them.
    """
    if not rows:
        return
    late: list[Row] = []
    with engines().write.begin() as connection:
        if not engines().embedded:
            keys = {"keys": [row[key] for row in rows]}
            unheld = there.with_for_update(of=held, key_share=True, skip_locked=True)
            free, known = set(connection.scalars(unheld, keys)), set(connection.scalars(there, keys))
            taken = known - free
            late = [row for row in rows if row[key] in taken]
            rows = [row for row in rows if row[key] in free]
        if rows:
            connection.execute(statement, rows)
    for row in late:
        with engines().write.begin() as connection:
            connection.execute(statement, row)

"""Requests that make something, carried out once however often they are sent (Idempotency-Key)."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from api.kit import answers, auth, problems
from api.kit.auth import Writer
from latchkey.accounts.limits import QuotaReached
from latchkey.journal import idempotency
from latchkey.store.session import db
from latchkey.tokens.access import Bearer
from web import calls
from web.calls import Reply

HEADER = "Idempotency-Key"
_KEY = re.compile(rf"[!-~]{{1,{idempotency.LONGEST}}}", re.ASCII)


class Made(NamedTuple):
    """What a request made: its id, where it can be read, what may be told of it again, and what only once."""

    id: str
    location: str
    data: dict[str, Any]
    secret: dict[str, Any]
    status: int = 201


def once(caller: Bearer, make: Callable[[Writer], Made]) -> Reply:
    """Make something and commit. Sent again within 24 hours under the same key, it is told what it was told then.

    An answer that held a credential is not told again. Raises `problems.Problem`.
    """
    key = calls.current.get().header(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise problems.bad_key()
    try:
        # Also what was made before is told to a token that still works alone.
        by = auth.writer(caller)
        name = None if key is None else idempotency.begin(caller.family, key, _content())
    except idempotency.KeyReused:
        db.rollback()
        raise problems.key_reused() from None
    except idempotency.SentBefore as before:
        db.rollback()
        return _again(before)
    try:
        made = make(by)
    except QuotaReached as full:
        db.rollback()
        raise problems.quota_reached(str(full)) from None
    if name is not None:
        kept: dict[str, Any] = {"location": made.location, "data": made.data}
        idempotency.finish(name, made.id, None if made.secret else kept)
    db.commit()
    return answers.changed(made.data | made.secret, made.status, Location=made.location)


def _content() -> str:
    call = calls.current.get()
    return f"{call.method} {call.path}\n{call.body.decode('latin-1')}"


def _again(before: idempotency.SentBefore) -> Reply:
    if before.answer is None:
        raise problems.made_before(before.made)
    kept = json.loads(before.answer)
    headers = {"Location": kept["location"], "Idempotency-Replayed": "true"}
    return answers.changed(kept["data"], 201, **headers)

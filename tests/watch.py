"""Watches every transaction of every test: what ends or narrows something is noted in the same one.

A guard of another service learns of an end by the list of endings alone. So whatever statement of the product touches
the columns by which a bearer is decided must commit together with an ending; the few that only give something back, or
remove what was over long before, are named here.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Executable, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from latchkey.settings import ROOT
from latchkey.store.exchanges import PreparedExchange
from latchkey.store.prepared import PreparedWrite

COLUMNS = {
    "token": "revoked_at|scope|allowed_addresses|expires_at|digest|waiting_since|resource",
    "grant": "ended_at|expires_at",
    "authorization": "withdrawn_at",
    "user": "disabled_at|paused_at|email",
    "client": "suspended_at",
}
ENDING = re.compile(
    "|".join(
        rf'UPDATE "?{table}"? SET .*?\b({columns})=.*?(WHERE|$)|DELETE FROM "?{table}"?(\s|$)'
        for table, columns in COLUMNS.items()
    ),
    re.DOTALL,
)
TOLD = re.compile(r"INSERT INTO ending\b")
# File and function of the product, and why it needs none.
EXEMPT = {
    ("latchkey/worker/ended.py", "purge"): "removes what was over long before",
    ("latchkey/worker/ended.py", "_purge_sign_ins"): "removes what was over before",
    ("latchkey/tokens/issued/room.py", "part"): "removes what was used up or over before",
    ("latchkey/grants/record.py", "allow"): "gives back; what it cuts, _cut notes",
    ("latchkey/accounts/users.py", "enable"): "gives back",
    ("latchkey/clients/suspension.py", "restore"): "gives back",
    ("latchkey/safety/agents.py", "resume"): "gives back",
    ("latchkey/oversight/approval.py", "decide_token"): "lets a token work that waited",
    ("latchkey/tokens/imported/record.py", "learn"): "gives a token the string that it has elsewhere",
    ("latchkey/tokens/issued/issuing.py", "remove_unused"): "removes sign-ins that have no token",
    ("latchkey/safety/shutdown.py", "_end_codes"): "ends sign-ins that have no token",
    ("latchkey/tokens/issued/refreshing.py", "_again"): "holds a sign-in; ends a refresh token, which is no bearer",
}
# Of what stands in the way between a verb and the driver, nothing is the one who asked for it.
BETWEEN = ("latchkey/store/",)
# What moves a whole database; and tests, which may do as they like.
ELSEWHERE = ("tests/", "migrations/", "latchkey/transfer/")

violations: list[str] = []


def _asked_by(above: int = 2) -> tuple[str, str] | None:
    """The file and function of the product that caused what runs now; None: a test did."""
    frame: Any = sys._getframe(above)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(f"{ROOT}/") and "/.venv/" not in path:
            local = path.removeprefix(f"{ROOT}/")
            if local.startswith(ELSEWHERE):
                return None
            if not local.startswith(BETWEEN) and local != "latchkey/endings/record.py":
                return local, frame.f_code.co_name
        frame = frame.f_back
    return None


def _seen(connection: Connection, cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
    if TOLD.match(statement):
        connection.info["told"] = True
    elif ENDING.match(statement) and cursor.rowcount:
        asked = _asked_by()
        if asked is not None and asked not in EXEMPT:
            connection.info.setdefault("ended", []).append(f"{asked[0]} {asked[1]}: {statement}")


def _watched(write: PreparedWrite, connection: DBAPIConnection, given: dict[str, Any]) -> int:
    """What is given to the driver commits by itself: nothing that ends a bearer may be among it."""
    _look(write._statement)
    return _run(write, connection, given)


def _exchanged(exchange: PreparedExchange, facts: dict[str, Any]) -> bool:
    _look(exchange._spend)
    return _exchange(exchange, facts)


@cache
def _ends(statement: Executable) -> str | None:
    """What a prepared statement says, where it ends something; asked once, since telling takes longer than running."""
    text = str(statement)
    return text if ENDING.match(text) else None


def _look(statement: Executable) -> None:
    text = _ends(statement)
    if text is not None and (asked := _asked_by(above=3)) is not None and asked not in EXEMPT:
        violations.append(f"{asked[0]} {asked[1]}: {text}")


_run, _exchange = PreparedWrite.run, PreparedExchange.run


def _committed(connection: Connection) -> None:
    ended = connection.info.pop("ended", [])
    if ended and not connection.info.pop("told", False):
        violations.extend(ended)
    connection.info.pop("told", None)


def _rolled_back(connection: Connection) -> None:
    if connection.invalidated:
        # What it knew is gone with it.
        return
    connection.info.pop("ended", None)
    connection.info.pop("told", None)


def everything() -> Iterator[None]:
    """Watch all engines of this process, until it is over."""
    heard = (("after_cursor_execute", _seen), ("commit", _committed), ("rollback", _rolled_back))
    for name, listener in heard:
        event.listen(Engine, name, listener)
    PreparedWrite.run, PreparedExchange.run = _watched, _exchanged
    yield
    PreparedWrite.run, PreparedExchange.run = _run, _exchange
    for name, listener in heard:
        event.remove(Engine, name, listener)

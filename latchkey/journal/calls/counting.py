"""Calls that come with tokens, counted in memory: the bearer path writes nothing, the worker does every few seconds.

A call that is let pass is only noted. Beside the calls a thread gathers those that are alike to entries, which are
written.

What is counted is bounded, whoever calls: past `MOST` different entries calls are counted without their details, past
twice that not at all, until the next writing; long before, it is time for one. After a kill -9 the counts since the
last writing are lost.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Protocol, get_args

from sqlalchemy.exc import SQLAlchemyError

from latchkey import origin
from latchkey.journal.calls import counts
from latchkey.journal.calls.entries import CLIENT, TOKEN, Counted, Entry
from latchkey.journal.calls.refused_calls import Reason, RefusedCall
from latchkey.origin import Origin
from latchkey.store import conflicts

MOST = 10_000
MOST_REFUSED = 2_000
# With so many entries the worker is woken to write them.
MANY = 8_000
# The most notes that wait where no thread gathers them; then the calling thread does.
MOST_NOTED = 8_000
# Entries in one transaction, for which other writers wait.
AT_A_TIME = 1_000

LET_PASS = 200


class Caller(Protocol):
    """Whose calls they are: a developer token's, or an app's for a user, whose tokens come and go."""

    @property
    def client_id(self) -> str | None: ...
    @property
    def token_id(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...


class _Tally:
    """How often something came and when last, since the last writing."""

    __slots__ = ("at", "times")

    def __init__(self, times: int, at: datetime) -> None:
        self.times, self.at = times, at


_calls: dict[Entry, _Tally] = {}
_refused: dict[RefusedCall, _Tally] = {}
_guard = threading.Lock()
# Called when it is time to write.
watchers: list[Callable[[], object]] = []

# A call that was let pass: client, token and user, what it was and took, when, and from where.
Note = tuple[str | None, str, str | None, str, frozenset[str], datetime, Origin]
FIELDS = len(get_args(Note))
# Notes lie flat, one after the other, and are added by `list.extend`: atomic, and without making any object. To look up
# an entry for each call, or only one more function call, would cost several times as much.
_noted: list[Any] = []
note: Callable[[Note], None] = _noted.extend


def gather() -> None:
    """Make one entry of all noted calls that are alike."""
    with _guard:
        _gather()


def _gather() -> None:
    # Other threads may append meanwhile.
    some = _noted[:]
    del _noted[: len(some)]
    each = iter(some)
    for app, token, user, call, wanted, at, here in zip(*[each] * FIELDS, strict=True):
        of_token = None if app else token
        # In the order of `Counted`.
        _tally((app, of_token, user, at.toordinal(), LET_PASS, call, wanted, here.address, here.agent), 1, at)


def limit() -> None:
    """Gather in this thread if too many notes wait, as in a process without a thread that gathers."""
    if len(_noted) >= MOST_NOTED * FIELDS:
        gather()


def count(caller: Caller, status: int, call: str, wanted: frozenset[str], at: datetime, *, times: int = 1) -> None:
    """Count a call that took these scopes, by what its token came to; from where, the request's origin says."""
    here, app = origin.current.get(), caller.client_id
    token = None if app else caller.token_id
    key = Counted(app, token, caller.user_id, at.toordinal(), status, call, wanted, here.address, here.agent)
    with _guard:
        _tally(key, times, at)


def _tally(key: Entry, times: int, at: datetime) -> None:
    tally = _calls.get(key)
    if tally is not None:
        tally.times += times
        tally.at = at
    elif len(_calls) < MANY:
        _calls[key] = _Tally(times, at)
    else:
        if len(_calls) == MANY:
            # Only once, and not for every entry while they cannot be written.
            for tell in watchers:
                tell()
        _add(key, times, at)


def refuse(caller: Caller, call: str, reason: Reason, at: datetime, detail: str = "") -> None:
    """Count a refused call, and keep why it was; `detail` are the scopes or the resource that it was about."""
    count(caller, reason.status, call, frozenset(), at)
    app, token = caller.client_id, None if caller.client_id else caller.token_id
    key = RefusedCall(app, token, caller.user_id, at.toordinal(), reason, detail, call, origin.current.get().address)
    with _guard:
        tally = _refused.get(key)
        if tally is not None:
            tally.times += 1
            tally.at = at
        elif len(_refused) < MOST_REFUSED:
            _refused[key] = _Tally(1, at)


def turn_away(caller: Caller, call: str, wanted: frozenset[str], reason: Reason, at: datetime) -> None:
    """Count a call that was counted as let pass as refused after all."""
    count(caller, LET_PASS, call, wanted, at, times=-1)
    refuse(caller, call, reason, at)


def flush() -> int:
    """Write what was counted, a part at a time; how many entries. What could not be written stays counted."""
    with _guard:
        # Together, so that a correction (times -1) is never written without its call.
        _gather()
        calls = [(key, tally.times, tally.at) for key, tally in _calls.items()]
        refused = [(key, tally.times, tally.at) for key, tally in _refused.items()]
        _calls.clear()
        _refused.clear()
    # Sorted, so that each part touches neighbouring rows and not the whole table.
    calls.sort(key=_source)
    count = len(calls) + len(refused)
    try:
        while calls or refused:
            conflicts.again(partial(counts.write, calls[-AT_A_TIME:], refused[-AT_A_TIME:]))
            del calls[-AT_A_TIME:], refused[-AT_A_TIME:]
    except SQLAlchemyError:
        with _guard:
            _put_back(calls, refused)
        raise
    return count


def _source(tallied: counts.Tallied) -> str:
    entry, _, _ = tallied
    return entry[CLIENT] or entry[TOKEN] or ""


def _put_back(calls: Iterable[counts.Tallied], refused: Iterable[tuple[RefusedCall, int, datetime]]) -> None:
    for key, times, at in calls:
        _add(key, times, at)
    for turned, times, at in refused:
        if turned in _refused:
            _refused[turned].times += times
        elif len(_refused) < MOST_REFUSED:
            _refused[turned] = _Tally(times, at)


def _add(key: Entry, times: int, at: datetime) -> None:
    for known in (key, Counted._make(key).plain):
        if (tally := _calls.get(known)) is not None:
            tally.times += times
            tally.at = max(at, tally.at)
            return
        if len(_calls) < (MOST if known is key else 2 * MOST):
            _calls[known] = _Tally(times, at)
            return

"""Calls that read a network's database: what those that wait will read is asked at once, and then each is answered.

To wait for the database is to be woken, and to want the interpreter back: that costs more than the statement.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from wsgiref.types import WSGIEnvironment

from latchkey.store.drivers import foresight
from latchkey.store.drivers.foresight import Wanted
from web.ahead import Foresee
from web.server.threads import Threads, taken, unanswered

# Whoever comes next waits until so many are answered.
MOST = 32
# What was asked for longer ago is read anew: it may have ended, and whoever ended it been told so.
FRESH_SECONDS = 0.25
# For so long nobody reads ahead where that came to nothing: behind a pooler, while the database is away, or where it
# took so long that what was read is too old.
PAUSE_SECONDS = 1.0


class Exchange(Protocol):
    """A request whose body is there."""

    environ: WSGIEnvironment


Asked = TypeVar("Asked", bound=Exchange)


class Ready(NamedTuple, Generic[Asked]):
    """A call, and what was read for it, and when."""

    exchange: Asked
    wanted: Wanted
    records: list[Any]
    read_at: float


class Reading(Generic[Asked]):
    """Takes what waits, reads for all of it, and answers each.

    Few of `threads` run at a time, so that those that come meanwhile come together. In those that are `alone` waits
    what nobody can read ahead for.
    """

    def __init__(
        self, threads: Threads, alone: Threads, foresights: Mapping[str, Foresee], answer: Callable[[Asked], None]
    ) -> None:
        self._threads, self._alone, self._foresights, self._answer = threads, alone, foresights, answer
        self._guard, self._called = threading.Lock(), False
        self._waiting: deque[Asked] = deque()
        self._ready: deque[Ready[Asked]] = deque()
        self._not_before = 0.0

    def submit(self, exchange: Asked, *, short: bool) -> None:
        """Have it answered as soon as a thread is free, with those that came meanwhile; a long one is long to read."""
        path = exchange.environ["PATH_INFO"]
        if short and path in self._foresights and time.monotonic() >= self._not_before:
            self._waiting.append(exchange)
            self._call()
        else:
            self._leave(exchange)

    def _leave(self, exchange: Asked) -> None:
        self._alone.submit(partial(self._answer, exchange))

    def _call(self) -> None:
        with self._guard:
            if self._called:
                return
            self._called = True
        self._threads.submit(self._next)

    def _next(self) -> None:
        # Whoever comes from here on calls anew.
        self._called = False
        # Another thread has read for these, and stands still.
        self._answer_ready()
        asked = taken(self._waiting, MOST)
        if self._waiting:
            self._call()
        self._ready.extend(self._read(asked))
        if len(self._ready) > 1:
            # When this one stands still, another goes on with them.
            self._threads.submit(self._answer_ready)
        self._answer_ready()

    def _answer_ready(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._finish(self._ready.popleft())

    def _finish(self, ready: Ready[Asked]) -> None:
        if time.monotonic() - ready.read_at > FRESH_SECONDS:
            self._leave(ready.exchange)
            return
        try:
            with foresight.handed(ready.wanted, ready.records):
                self._answer(ready.exchange)
        except BaseException as error:  # noqa: BLE001 - as where threads take jobs: the next has nothing to do with it
            unanswered(error)

    def _read(self, asked: list[Asked]) -> list[Ready[Asked]]:
        """Those of them that were read for; the others are left."""
        able: list[tuple[Asked, Wanted]] = []
        found: list[list[Any]] = []
        read_at = time.monotonic()
        try:
            for exchange in asked:
                wanted = self._foresights[exchange.environ["PATH_INFO"]](exchange.environ)
                if wanted is not None:
                    able.append((exchange, wanted))
            if able:
                found = foresight.read([wanted for _, wanted in able])
                now = time.monotonic()
                if not found or now - read_at > FRESH_SECONDS:
                    found, self._not_before = [], now + PAUSE_SECONDS
        finally:
            # Whatever happens here, each is answered.
            read = {id(exchange) for exchange, _ in able} if found else set()
            for exchange in asked:
                if id(exchange) not in read:
                    self._leave(exchange)
        return [Ready(*each, records, read_at) for each, records in zip(able, found, strict=False)]

"""Requests that write share a commit where many come at once: all are decided, then kept, then answered."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, Protocol, TypeAlias, TypeVar

from latchkey.store.drivers import transactions
from web.server.threads import Threads, taken

# So many hold the write lock for a few milliseconds.
MOST = 16
# Body, credentials and query: longer ones take longer to read than the lock should be held for them, or the thread that
# all requests come by; no app sends such.
LONGEST = 4096
Run: TypeAlias = Callable[[], Iterable[bytes]]
log = logging.getLogger("latchkey.web")


class Exchange(Protocol):
    """A request that can be decided before it is answered."""

    def decide(self) -> Run | None:
        """What answers it; None: it met a fault."""

    @property
    def answered(self) -> bool:
        """Whether its answer is there, and has to be sent alone."""

    def rewind(self) -> None:
        """As if nobody had read it yet."""


Asked = TypeVar("Asked", bound=Exchange)


class Failed(Exception):
    """One of them met a fault, whose traces go with all they did."""


class Sharing(Generic[Asked]):
    """Takes what waits and commits it at once; where anything fails, all is undone and each is done by itself.

    `finish` answers what was decided, `alone` decides and answers.
    """

    def __init__(self, threads: Threads, finish: Callable[[Asked, Run], None], alone: Callable[[Asked], None]) -> None:
        self._threads, self._finish, self._alone = threads, finish, alone
        self._waiting: deque[Asked] = deque()

    def submit(self, exchange: Asked) -> None:
        """Have it answered as soon as a thread is free, with those that came meanwhile."""
        self._waiting.append(exchange)
        self._threads.submit(self._next)

    def _next(self) -> None:
        # One job is there for each of them; those whose request another one took have nothing to do.
        asked = taken(self._waiting, MOST)
        again: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if len(asked) > 1:
            try:
                runs = _decided(asked)
            except Exception as error:  # noqa: BLE001 - whatever it was, each meets it by itself
                log.warning("%s requests could not share a commit: %s", len(asked), type(error).__qualname__)
                again = transactions.hasty_after(error)
            else:
                # What is left of a refusal may take long, and those that are kept have waited.
                answers = sorted(zip(asked, runs, strict=True), key=lambda answer: not answer[0].answered)
                _each([partial(self._finish, *answer) for answer in answers])
                return
            for exchange in asked:
                exchange.rewind()
        # Where they have waited for another process in vain, each would wait for it as long once more.
        with again:
            _each([partial(self._alone, exchange) for exchange in asked])


def _each(answers: list[Callable[[], None]]) -> None:
    """Give each answer, also when the server panics about another."""
    for number, answer in enumerate(answers, 1):
        try:
            answer()
        except BaseException:
            _each(answers[number:])
            raise


def _decided(taken: Iterable[Exchange]) -> list[Run]:
    """What answers them, when all they wrote is kept. Raises whatever failed: then nothing of it is."""
    runs = []
    with transactions.together():
        for exchange in taken:
            run = exchange.decide()
            if run is None:
                raise Failed
            runs.append(run)
    return runs

"""Requests that write share a commit where many come at once: all are decided, then kept, then answered."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from latchkey.store.drivers.transactions import together
from web.server.threads import Threads

# So many hold the write lock for a few milliseconds.
MOST = 16
# Longer bodies take longer to read than the lock should be held for them; no app sends such.
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

    def run(self) -> Iterable[bytes]:
        """Decide and answer."""

    def finish(self, run: Run) -> None:
        """Run and send."""


class Failed(Exception):
    """One of them met a fault, whose traces go with all they did."""


class Sharing:
    """Takes what waits and commits it at once; where anything fails, all is undone and each is done by itself."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[Exchange] = deque()

    def submit(self, exchange: Exchange) -> None:
        """Have it answered as soon as a thread is free, with those that came meanwhile."""
        self._waiting.append(exchange)
        self._threads.submit(self._next)

    def _next(self) -> None:
        taken = self._taken()
        if len(taken) > 1:
            try:
                runs = _decided(taken)
            except Exception as error:  # noqa: BLE001 - whatever it was, each meets it by itself
                log.warning("%s requests could not share a commit: %s", len(taken), type(error).__qualname__)
            else:
                # What is left of a refusal may take long, and those that are kept have waited.
                _finish(sorted(zip(taken, runs, strict=True), key=lambda answer: not answer[0].answered))
                return
            for exchange in taken:
                exchange.rewind()
        _finish([(exchange, exchange.run) for exchange in taken])

    def _taken(self) -> list[Exchange]:
        taken: list[Exchange] = []
        # One job is there for each of them; those whose request another one took have nothing to do.
        with contextlib.suppress(IndexError):
            while len(taken) < MOST:
                taken.append(self._waiting.popleft())
        return taken


def _finish(answers: list[tuple[Exchange, Run]]) -> None:
    """Answer each, also when the server panics about another."""
    for number, (exchange, run) in enumerate(answers, 1):
        try:
            exchange.finish(run)
        except BaseException:
            _finish(answers[number:])
            raise


def _decided(taken: list[Exchange]) -> list[Run]:
    """What answers them, when all they wrote is kept. Raises whatever failed: then nothing of it is."""
    runs = []
    with together():
        for exchange in taken:
            run = exchange.decide()
            if run is None:
                raise Failed
            runs.append(run)
    return runs

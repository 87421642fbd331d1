"""What a server process does beside its requests: deliver letters, write down uses, close the chain, clear away."""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing.util import Finalize

from flask import Flask
from sqlalchemy.exc import DBAPIError

from latchkey import clients
from latchkey.endings import guards, known
from latchkey.journal import chain
from latchkey.journal.calls import counting
from latchkey.mail import outbox
from latchkey.oversight import policies
from latchkey.store.session import db, shrink
from latchkey.tokens import usage
from latchkey.tokens.imported import record as imported
from latchkey.tokens.issued import room
from latchkey.turns import heap
from latchkey.upstream import earlier
from latchkey.worker import alarms, endless, housekeeping
from latchkey.worker.housekeeping import Purge
from latchkey.worker.tasks import Loop

# How often the outbox is looked through when nothing wakes the worker: letters of other processes, second attempts.
LOOK_SECONDS = 5.0
USAGE_SECONDS = 1.0
# How long calls are only noted, as many as may come.
GATHERED_SECONDS = 0.5
# What is alike in so long is one row, and calls of a busy token are.
COUNTS_SECONDS = 5.0
CHAIN_SECONDS = 0.5
# How often a process looks whether it is its turn to clear away.
TURN_SECONDS = 300.0
STOP_SECONDS = 5.0


class Worker:
    """The threads of one process."""

    def __init__(self, app: Flask, purges: Iterable[Purge] = ()) -> None:
        self._app = app
        self._fresh, self._relieved = True, False
        self._letters = Loop("letters", self._within(self._deliver), LOOK_SECONDS)
        self._uses = Loop("usage", self._within(_write_uses), USAGE_SECONDS)
        self._gathering = Loop("gathering", counting.gather, GATHERED_SECONDS)
        self._counts = Loop("counts", self._within(counting.flush), COUNTS_SECONDS)
        self._chain = Loop("chain", self._within(close_chain), CHAIN_SECONDS)
        self._policies = Loop("policies", self._within(self._keep_up), policies.SECONDS)
        # In the order in which they end.
        self._loops = self._policies, self._uses, self._gathering, self._counts, self._chain, self._letters
        self._clearing = Loop("clearing", self._within(partial(housekeeping.take_turn, *purges)), TURN_SECONDS)

    def start(self) -> None:
        """Begin, and be told of every letter that is posted, and of many calls."""
        outbox.watchers.append(self._letters.wake)
        counting.watchers.append(self._counts.wake)
        # Before the first request, if the database is there.
        with contextlib.suppress(DBAPIError):
            self._within(_refresh)()
            self._within(known.compare)()
        for loop in (*self._loops, self._clearing):
            loop.start()

    def stop(self) -> None:
        """Finish the letter that is under way, as far as a few seconds allow, and write the last uses."""
        if self._letters.wake in outbox.watchers:
            outbox.watchers.remove(self._letters.wake)
        if self._counts.wake in counting.watchers:
            counting.watchers.remove(self._counts.wake)
        for loop in self._loops:
            loop.stop(STOP_SECONDS)

    def _within(self, work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            # Its end gives the thread's session back.
            with self._app.app_context():
                work()

        return run

    def _keep_up(self) -> None:
        _refresh()
        if not self._relieved:
            earlier.relieve()
            self._relieved = True
        shrink()
        # What pages and calls took lies scattered in the one heap, whose end alone the C library gives back by itself.
        heap.trim()

    def _deliver(self) -> None:
        outbox.recover(fresh=self._fresh)
        # A restart may have fixed the cause, so what waits after a fault is tried at once.
        delivery = outbox.deliver(impatient=self._fresh)
        self._fresh = False
        if delivery.sent:
            self._letters.wake()


def _refresh() -> None:
    policies.refresh()
    imported.refresh()


def _write_uses() -> None:
    usage.flush()
    alarms.sound()
    guards.flush()
    clients.flush_secret_uses()
    endless.end(room.make())


def start(app: Flask, purges: Iterable[Purge] = ()) -> Worker:
    """Start the threads of this process. They end with it: at its normal end what is under way is finished.

    `purges` clear away records of `oauth` and `portal` that have ended.
    """
    worker = Worker(app, purges)
    worker.start()
    # A process that multiprocessing started, such as a worker of the server, runs finalizers but no atexit functions.
    Finalize(None, worker.stop, exitpriority=10)
    return worker


def close_chain() -> None:
    """Close what was recorded since the last time, and write down where the chain ends now."""
    closed = 0
    while count := chain.close():
        db.commit()
        closed += count
    db.rollback()
    if closed:
        chain.anchor()

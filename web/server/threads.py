"""Threads that take jobs from a queue and outlive whatever a job does."""

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from latchkey import turns
from latchkey.turns.fair import Line

log = logging.getLogger("latchkey.web")

# Whoever is quick has the interpreter after so long; by itself it takes ten times that, several times a call.
SWITCH_SECONDS = 0.0005
# When nobody began or gave way for so long, those that run wait for something and did not say so.
STUCK_SECONDS = 0.1

Job: TypeAlias = Callable[[], None]
Waiting = TypeVar("Waiting")


def settle() -> None:
    """Make this process one that serves, before any of its threads begins: each begins as the one that begins it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform != "linux":
        return
    # Who wakes another thread has the interpreter, or gives it something to do and has more of that: to be interrupted
    # for it is two switches for nothing (decision 18). Where that may not be said, it is as it was.
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def unanswered(error: BaseException) -> None:
    """Log by what a request ended; a traceback may hold what was sent."""
    log.error("a request ended without an answer: %s", type(error).__qualname__)


def _nothing() -> None:
    pass


class _Thread:
    """What a thread that has nothing to do is woken by, and for what."""

    __slots__ = ("job", "wake")

    def __init__(self) -> None:
        self.job: Job = _nothing
        self.wake = threading.Lock()
        self.wake.acquire()


class Threads:
    """So many threads, of which a few run at a time: each more would be one more for whom a quick call waits.

    Whoever waits for something gives way to another meanwhile (`turns.waiting`). A thread that has done its job goes on
    with the next, and the one that had something to do last is woken first: its caches are warm. Those that are
    `patient` hold nothing that others want while they read, and then go on in their turn (`turns.reading`).
    """

    def __init__(self, name: str, count: int, running: int | None = None, *, patient: bool = False) -> None:
        self._guard, self._crowded = threading.Lock(), threading.Event()
        self._patient = patient
        self._jobs: deque[Job] = deque()
        self._idle: list[_Thread] = []
        # Those that have waited and go on in their turn.
        self._back: deque[threading.Lock] = deque()
        self._free, self._moves = running or count, 0
        works = [threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)]
        for thread in works:
            thread.start()
        if self._free < count:
            threading.Thread(target=self._watch, name=f"{name}-watch", daemon=True).start()

    def submit(self, job: Job) -> None:
        """Do this as soon as a thread is free and may run."""
        with self._guard:
            self._jobs.append(job)
            if self._free > 0:
                self._begin_next()
            else:
                self._crowded.set()

    def give(self) -> None:
        """Let another one run: this thread is about to wait."""
        with self._guard:
            self._free += 1
            if self._free > 0:
                self._begin_next()

    def take_again(self) -> None:
        """Go on after waiting."""
        with self._guard:
            self._free -= 1

    def take_turn(self) -> None:
        """Go on after waiting, when it may run: before those that have not begun."""
        with self._guard:
            if self._free > 0:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._back.append(turn)
            self._crowded.set()
        turn.acquire()

    def _begin_next(self) -> None:
        if self._back:
            self._free -= 1
            self._moves += 1
            self._back.popleft().release()
        # Where all threads wait, whichever is done first goes on with it.
        elif self._jobs and self._idle:
            self._free -= 1
            self._moves += 1
            thread = self._idle.pop()
            thread.job = self._jobs.popleft()
            thread.wake.release()

    def _work(self) -> None:
        turns.take_part(self, patient=self._patient)
        me = _Thread()
        with self._guard:
            # As if it had just done something.
            self._free -= 1
        while True:
            job = self._next(me)
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - a panic of the server's is no Exception, and a thread must outlive it
                unanswered(error)
            # Nothing of one request waits here for the next.
            del job

    def _next(self, me: _Thread) -> Job:
        with self._guard:
            self._moves += 1
            if self._free >= 0 and self._jobs and not self._back:
                return self._jobs.popleft()
            self._free += 1
            self._idle.append(me)
            if self._back and self._free > 0:
                self._begin_next()
        me.wake.acquire()
        job, me.job = me.job, _nothing
        return job

    def _watch(self) -> None:
        while True:
            self._crowded.wait()
            self._crowded.clear()
            moves = self._moves
            while self._jobs or self._back:
                time.sleep(STUCK_SECONDS)
                with self._guard:
                    if moves == self._moves:
                        self._begin_next()
                    moves = self._moves


class ByTurns:
    """Threads that networks have by turns: one that asks for much waits for itself (`addresses.place`)."""

    def __init__(self, threads: Threads) -> None:
        self._threads, self._line = threads, Line[Job]()

    def submit(self, job: Job, whose: tuple[str, ...]) -> None:
        """Do this when it is its network's turn and a thread is free and may run."""
        self._line.put(job, *whose)
        self._threads.submit(self._next)

    def _next(self) -> None:
        self._line.take()()


def taken(waiting: deque[Waiting], most: int) -> list[Waiting]:
    """What has waited longest, as much as there is up to so many; other threads may take the rest meanwhile."""
    found: list[Waiting] = []
    with contextlib.suppress(IndexError):
        while len(found) < most:
            found.append(waiting.popleft())
    return found

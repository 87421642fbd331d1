"""Work that takes a core for long and not the interpreter, such as hashing a password: few threads do it.

Each piece of it takes tens of megabytes, which its thread uses again; after a while without any they are given back.
Who asked waits, and lets others run meanwhile. Networks have it done by turns, so that none is there for itself alone.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from latchkey.turns import heap, waiting
from latchkey.turns.fair import Line

Result = TypeVar("Result")

# Quick calls come first where cores are few; such work still gets a sixth of what another thread gets.
NICENESS = 8
IDLE_SECONDS = 2.0


class _Piece:
    """One piece of work, and its result."""

    __slots__ = ("_done", "_fault", "_result", "_work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work, self._done = work, threading.Lock()
        self._fault: BaseException | None = None
        self._done.acquire()

    def do(self) -> None:
        try:
            self._result = self._work()
        except BaseException as fault:  # noqa: BLE001 - it is raised where the work was asked for
            self._fault = fault
        finally:
            self._done.release()

    def result(self) -> Any:
        with waiting():
            self._done.acquire()
        if self._fault is not None:
            # Break the reference cycle, so that a password is freed with its last user.
            fault, self._fault = self._fault, None
            raise fault
        return self._result


class _Jobs:
    """The waiting work. Each piece wakes a thread, which does whatever comes next by then."""

    def __init__(self) -> None:
        self._line, self._there = Line[_Piece](), SimpleQueue[None]()

    def put(self, piece: _Piece, whose: tuple[str, ...]) -> None:
        self._line.put(piece, *whose)
        self._there.put(None)

    def get(self, timeout: float | None = None) -> _Piece:
        """Raises `Empty` after so long without any."""
        self._there.get(timeout=timeout)
        return self._line.take()


class _Process:
    """The threads of this process, made when they are first needed."""

    sharing = 1
    guard = threading.Lock()
    jobs: _Jobs | None = None


def _forget() -> None:
    # Threads do not come along into a process that is forked.
    _Process.guard, _Process.jobs = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def share(processes: int) -> None:
    """Note how many processes share the cores of this machine."""
    _Process.sharing = processes


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def threads() -> int:
    """How many threads of this process do such work."""
    return max(1, cores() // _Process.sharing)


def run(work: Callable[[], Result], whose: tuple[str, ...]) -> Result:
    """Do work for somebody at a network (`addresses.place`), wait for it, and return its result."""
    piece = _Piece(work)
    (_Process.jobs or _started()).put(piece, whose)
    result: Result = piece.result()
    return result


def _started() -> _Jobs:
    with _Process.guard:
        if _Process.jobs is None:
            jobs = _Process.jobs = _Jobs()
            for number in range(threads()):
                threading.Thread(target=_labour, args=(jobs,), name=f"heavy-{number}", daemon=True).start()
        return _Process.jobs


def _labour(jobs: _Jobs) -> None:
    if sys.platform == "linux":
        # On other systems the priority is one of the whole process.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    while True:
        jobs.get().do()
        while True:
            try:
                jobs.get(timeout=IDLE_SECONDS).do()
            except Empty:
                heap.trim()
                break

"""A worker process of the server: granian's RSGI worker, whose requests go to the application where they arrive.

granian's own spawner hands each to a task on the loop, which costs half as much as the bearer path itself, and only
longer bodies need the loop. What spawns workers is an argument of granian's `serve`; this is granian's own, but for the
scheduler and what it takes for its loop, and written for the one version that is pinned.
"""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian._granian import CallbackScheduler, RSGIWorker, WorkerSignal
from granian.server.common import WORKERS_METHODS
from granian.server.mp import WorkerProcess

# What was sent has to be taken within so long: who asks and never reads keeps no connection (RFC 5482).
UNREAD_MILLISECONDS = 20_000
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How often somebody looks whether all who were connected are gone: of a hundred times granian fails to tell once.
LOOK_SECONDS = 1.0
# Later than the parent ends whoever does not stop, if it is still there to do so.
LAST_SECONDS = 35.0


class Here:
    """What granian takes for its loop: called back is in the thread that has something to tell, at once.

    A turn of the loop for it would be two switches of threads more.
    """

    @staticmethod
    def call_soon_threadsafe(callback: Callable[[Any], object], came: Any, *, context: None = None) -> None:  # noqa: ARG004 - granian's
        """Tell what came of something."""
        callback(came)

    call_soon = call_soon_threadsafe


class Scheduler(CallbackScheduler):
    """Calls `dispatch` for each request, in the thread that granian has for it."""

    def __init__(self, _loop: Any, dispatch: Callable[[Any, Any], None], *_hooks: Any) -> None:
        super().__init__()
        # A request whose protocol is let go of without an answer is answered with a 500 by granian.
        self._schedule_fn = lambda watcher: dispatch(watcher.scope, watcher.proto)


@WorkerProcess.wrap_target
def spawn(worker_id: int, application: Any, place: Any, ipc: Any, *given: Any) -> None:
    """Serve the application in this process until told to stop."""
    loop, mode, *options = given
    *runtime, _task, http, http1, http2, websockets, static, _log, tls, _scope, metrics = options
    stopping, stopped = WorkerSignal(), asyncio.Event()

    def stop() -> None:
        end_at_last()
        application.stop()
        stopping.set()
        loop.call_later(LOOK_SECONDS, look)

    def look() -> None:
        if _connected(port):
            loop.call_later(LOOK_SECONDS, look)
        else:
            stopped.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    stopping.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    application.begin(loop)
    listener, port = _listener(place)
    made: Any = RSGIWorker
    worker = made(worker_id, (None, listener), ipc, *runtime, http, http1, http2, websockets, static, *tls, metrics)
    serve = getattr(worker, WORKERS_METHODS[mode][listener.is_uds()])
    serve(Scheduler(loop, application.dispatch, None, None, None), Here(), stopping)
    loop.run_until_complete(stopped.wait())


def end_at_last() -> None:
    """Let the kernel end this process if it does not end by itself, from the first time that it is told to.

    It takes no thread and no interpreter: granian lets its runtime go while it holds the interpreter, and the two may
    then wait for each other for ever.
    """
    if signal.getitimer(signal.ITIMER_REAL)[0] == 0:
        signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)


def _listener(place: Any) -> tuple[Any, int]:
    """The socket of a worker, its own or the one that all have, and its port. Connections inherit what is set here."""
    own, shared = place
    listener = shared or own.build()
    with socket.socket(fileno=os.dup(listener.get_fd())) as same:
        if sys.platform == "linux":
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        return listener, same.getsockname()[1]


def _connected(port: int) -> bool:
    """Whether anybody still is, by a port."""
    try:
        return any(_came_by(port, int(path.name)) for path in Path("/dev/fd").iterdir())
    except OSError:
        # As many are as this process can have open.
        return True


def _came_by(port: int, number: int) -> bool:
    # What was open for the listing itself is not any more; what only listens has no peer.
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            same = socket.socket(fileno=number)
            try:
                return same.getsockname()[1:2] == (port,) and bool(same.getpeername())
            finally:
                same.detach()
    return False

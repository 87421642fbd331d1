"""A worker process of the server: granian's RSGI worker, whose requests go to the application where they arrive.

granian's own spawner hands each to a task on the loop, which costs half as much as the bearer path itself, and only
longer bodies need the loop. What spawns workers is an argument of granian's `serve`; this is granian's own, but for the
scheduler and what it takes for its loop, and written for the one version that is pinned.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from granian._granian import CallbackScheduler, RSGIWorker
from granian._signals import set_loop_signals
from granian.server.common import WORKERS_METHODS
from granian.server.mp import WorkerProcess

# What was sent has to be taken within so long: who asks and never reads keeps no connection (RFC 5482).
UNREAD_MILLISECONDS = 20_000


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
    stopping, stopped = set_loop_signals(loop), asyncio.Event()  # type: ignore[no-untyped-call] # granian leaves it so
    stopping.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    application.begin(loop)
    listener = _listener(place)
    made: Any = RSGIWorker
    worker = made(worker_id, (None, listener), ipc, *runtime, http, http1, http2, websockets, static, *tls, metrics)
    serve = getattr(worker, WORKERS_METHODS[mode][listener.is_uds()])
    serve(Scheduler(loop, application.dispatch, None, None, None), Here(), stopping)
    loop.run_until_complete(stopped.wait())


def _listener(place: Any) -> Any:
    """The socket of a worker: its own, or the one that all have. Its connections inherit what is set here."""
    own, shared = place
    listener = shared or own.build()
    if sys.platform == "linux":
        with socket.socket(fileno=os.dup(listener.get_fd())) as same:
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
    return listener

"""Runs the application behind the server's asynchronous interface (RSGI): a thread is taken once a body is there.

WSGI hands a request over before its body has come, and whoever then does not send it holds a thread: eight such
requests stopped the server. Here bodies are received without a thread, within bounds. What only reads an embedded
database is answered where requests are dispatched: it waits for nobody, and goes one at a time anyway (decision 15).
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, cast

from flask import Flask

from latchkey import addresses
from latchkey.endings.waiting import waiting
from web import calls
from web.calls import PARKED, SLOW, Wait
from web.layer import faults, middleware, paths, proxies
from web.layer.middleware import Layer
from web.server import sharing
from web.server.environ import UNREADABLE, Scope, environ_of
from web.server.reading import Reading
from web.server.receiving import LONGEST, Receiver
from web.server.sharing import Run, Sharing
from web.server.threads import ByTurns, Job, Threads, unanswered

READS = frozenset({"GET", "HEAD", "OPTIONS"})
NO_ASCII = "400 Unreadable Header"
# When a call that reads took so long, as on a slow disk, the next ones have threads of their own for a while.
LONG_SECONDS, WARY_SECONDS = 0.1, 1.0


class Crews(NamedTuple):
    """For each kind of request how many threads there are, and how many of them run at a time (decision 14).

    Hot calls wait for no pages and passwords, and those that read for nobody who writes; what is read for together goes
    by few threads (decision 17). Of the rest, what reads waits neither for passwords nor for who writes.
    """

    together: tuple[int, int]
    readers: tuple[int, int]
    writers: tuple[int, int]
    pages: tuple[int, int]
    forms: tuple[int, int]


# An embedded database takes one who writes at a time, and nobody waits for a network.
EMBEDDED = Crews(together=(0, 1), readers=(4, 4), writers=(12, 1), pages=(12, 1), forms=(24, 1))
ELSEWHERE = Crews(together=(4, 2), readers=(4, 4), writers=(12, 4), pages=(12, 1), forms=(24, 2))


class Exchange:
    """One request: what the application is told of it, and the way back to whoever asked."""

    __slots__ = ("_headers", "_layer", "_protocol", "_status", "environ")

    def __init__(self, layer: Layer, scope: Scope, headers: Any, protocol: Any) -> None:
        self._layer, self._protocol, self.environ = layer, protocol, environ_of(scope, headers)

    def start(self, status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Callable[[bytes], object]:
        """PEP 3333's start_response; nothing is sent yet, so that a fault may start anew."""
        self._status, self._headers = int(status[:3]), headers
        return _write

    def run(self) -> Iterable[bytes]:
        """The application's answer."""
        return self._layer(self.environ, self.start)

    def begin(self) -> Iterable[bytes]:
        """What the application can answer at once."""
        return self._layer.begin(self.environ, self.start)

    def decide(self) -> Run | None:
        """What answers it, when what it wrote is kept; None: it met a fault."""
        exchange = self._layer.exchange(self._layer, self.environ, self.start)
        return exchange.run if exchange.decide() else None

    @property
    def answered(self) -> bool:
        """Whether its answer is there, and has to be sent alone."""
        return hasattr(self, "_status")

    def rewind(self) -> None:
        """As if nobody had read its body yet."""
        self.environ["wsgi.input"].seek(0)

    def refuse(self, status: str) -> None:
        """Answer without the application."""
        body = self._layer.refuse(self.environ, self.start, status)
        self._headers.append(("Connection", "close"))
        self.send(body)

    def send(self, body: Iterable[bytes]) -> None:
        """Send the answer, whole, and let go of the request: its connection stays open while anybody could read on."""
        protocol, self._protocol = self._protocol, None
        try:
            protocol.response_bytes(self._status, self._headers, b"".join(body))
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()

    def finish(self, run: Run) -> None:
        """Run and send, in a thread. Of a fault in the midst of a body the server makes a 500 without one."""
        try:
            self.send(run())
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            faults.report(error)


class Unread(Exchange):
    """One whose body nobody reads: a server that stops would wait for it, if another request could come after it."""

    def send(self, body: Iterable[bytes]) -> None:
        """Send the last answer of its connection."""
        self._headers = [*self._headers, ("Connection", "close")]
        super().send(body)


def _write(_data: bytes) -> object:
    raise NotImplementedError("write() of PEP 3333 is for applications older than it")


def _length(headers: Any) -> int | None:
    """How long the body is. None: it says so itself, by its parts."""
    if "transfer-encoding" in headers:
        return None
    return int(headers.get("content-length", 0))


class Application:
    """What the server's workers call: `dispatch` for each request, in the one thread that they have for it."""

    def __init__(self, app: Flask) -> None:
        self._layer = cast("Layer", app.wsgi_app)
        self._hot: frozenset[str] = app.extensions[paths.HOT]
        self._at_arrival: frozenset[str] = app.extensions[paths.AT_ARRIVAL]
        self._reading: frozenset[str] = app.extensions[paths.READING]
        crews = EMBEDDED if self._at_arrival else ELSEWHERE
        self._readers, self._writers = Threads("reader", *crews.readers), Threads("writer", *crews.writers)
        self._pages = ByTurns(Threads("page", *crews.pages, patient=True))
        self._forms = ByTurns(Threads("form", *crews.forms))
        self._together: frozenset[str] = app.extensions[paths.TOGETHER]
        self._sharing = Sharing(self._writers, self._finish, self._write)
        together, foresights = Threads("together", *crews.together), app.extensions[paths.FORESIGHTS]
        self._reading_ahead = Reading(together, self._readers, foresights, self._read)
        self._receiver: Receiver | None = None
        self._wary_until = 0.0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """The worker is about to listen; `loop` is its own."""
        self._loop, self._receiver = loop, Receiver(loop)

    def stop(self) -> None:
        """The server was told to stop, in whatever thread and however early: nobody waits much longer."""
        waiting.stop()
        if self._receiver is not None:
            self._loop.call_soon_threadsafe(self._receiver.hurry)

    def dispatch(self, scope: Scope, protocol: Any) -> None:
        """Have one request answered. Returns before it is, unless the answer takes no waiting."""
        length = _length(headers := scope.headers)
        # The gateway check reads no body, and what is longer than any of ours the application refuses by its length.
        wanted = length != 0 and scope.path != faults.GATEWAYS and (length is None or length <= LONGEST)
        if wanted and self._receiver is not None:
            asked = scope, headers, protocol
            self._receiver.receive(protocol, length, partial(self._answer, *asked), partial(self._refuse, *asked))
        else:
            self._answer(scope, headers, protocol, b"", Exchange if length == 0 else Unread)

    def _refuse(self, scope: Scope, headers: Any, protocol: Any, status: str) -> None:
        try:
            Exchange(self._layer, scope, headers, protocol).refuse(status)
        except BaseException as error:  # noqa: BLE001 - as below
            unanswered(error)

    def _answer(self, scope: Scope, headers: Any, protocol: Any, body: bytes, kind: type[Exchange] = Exchange) -> None:
        try:
            self._take((Unread if len(body) > LONGEST else kind)(self._layer, scope, headers, protocol), body)
        except BaseException as error:  # noqa: BLE001 - a panic of the server's is no Exception, and who calls stumbles over any
            unanswered(error)

    def _take(self, exchange: Exchange, body: bytes) -> None:
        environ = exchange.environ
        if environ.get("HTTP_X_FORWARDED_FOR") == UNREADABLE and self._layer.trusted:
            # Whoever sends it would come from the proxy itself, in every count and every log.
            exchange.refuse(NO_ASCII)
            return
        environ["wsgi.input"] = BytesIO(body)
        if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
            # It is in one piece now, and refused by its length like any other.
            environ["CONTENT_LENGTH"] = str(len(body))
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        short = len(body) + len(environ.get("HTTP_AUTHORIZATION", "")) + len(query) <= sharing.LONGEST
        if path not in self._hot or calls.patient(body):
            crew = self._pages if environ["REQUEST_METHOD"] in READS else self._forms
            crew.submit(partial(exchange.finish, exchange.run), self._place(exchange))
        elif short and path in self._together and not query:
            self._sharing.submit(exchange)
        elif short and path in self._at_arrival and time.monotonic() > self._wary_until:
            self._read(exchange)
        elif path in self._reading:
            self._reading_ahead.submit(exchange, short=short)
        else:
            self._writers.submit(partial(self._write, exchange))

    def _place(self, exchange: Exchange) -> tuple[str, str]:
        return addresses.place(proxies.caller(exchange.environ, self._layer.trusted))

    def _read(self, exchange: Exchange) -> None:
        """Begin it, and see how long that takes: as long as it does, nobody is to find out where all arrive."""
        began = time.monotonic()
        self._begin(exchange)
        if (done := time.monotonic()) - began > LONG_SECONDS:
            self._wary_until = done + WARY_SECONDS

    def _begin(self, exchange: Exchange) -> None:
        if (run := self._begun(exchange)) is None:
            return
        # It was asked for what it could do at once; the rest may take its time, or wait for something.
        submit: Callable[[Job], None] = self._writers.submit
        if exchange.environ.pop(SLOW, False):
            submit = partial(self._forms.submit, whose=self._place(exchange))
        if (wait := cast("Wait | None", exchange.environ.pop(PARKED, None))) is None:
            submit(partial(exchange.finish, run))
        else:
            wait(partial(submit, partial(exchange.finish, run)))

    def _write(self, exchange: Exchange) -> None:
        """Answer it in a thread of those who write."""
        if (run := self._begun(exchange)) is not None:
            self._finish(exchange, run)

    @staticmethod
    def _begun(exchange: Exchange) -> Run | None:
        """What is left to do, if it could not be answered at once."""
        begun = exchange.begin()
        if isinstance(begun, list):
            exchange.send(begun)
            return None
        return begun.run if isinstance(begun, middleware.Exchange) else lambda: begun

    def _finish(self, exchange: Exchange, run: Run) -> None:
        """Answer what was decided; what takes long is done where those who write do not wait for it."""
        if exchange.environ.pop(SLOW, False):
            self._forms.submit(partial(exchange.finish, run), self._place(exchange))
        else:
            exchange.finish(run)

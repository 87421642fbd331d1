"""The layer around the application: request ids, security headers, the log line, and the answer when all else fails.

The bearer path passes here too, so it is counted in microseconds: nothing is parsed twice, headers are one list made
beforehand, the log line is put together by hand. Calls of programs go to the dispatcher, everything else to Flask.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from latchkey import ids, origin, settings
from web import log_line, policy
from web.calls import Call
from web.layer import bounds, faults, paths, proxies, request_log
from web.layer.dispatch import Dispatcher, Found, Rest, Way
from web.layer.metrics import Observe

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

Headers: TypeAlias = list[tuple[str, str]]
Write: TypeAlias = Callable[[str], object]


class Exchange(Way):
    """One request and its answer: the `start_response` of the application, the body for the server, the log line."""

    __slots__ = (
        "_body", "_environ", "_layer", "_next", "_origin", "_refused", "_rest", "_start", "_started", "_status",
    )  # fmt: skip

    def __init__(self, layer: "Layer", environ: WSGIEnvironment, start: StartResponse, refused: str = "") -> None:
        super().__init__(ids.draw())
        self._origin = proxies.believed(environ, layer.trusted, self.request_id)
        self._layer, self._environ, self._start, self._refused = layer, environ, start, refused
        self._started, self._status = time.perf_counter(), "000"
        self._rest: Rest | None = None

    def start(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        """PEP 3333's start_response, with our headers."""
        self._status = status[:3]
        more = self._layer.headers
        for name, _ in headers:
            if name == "Content-Security-Policy":
                more = self._layer.other_headers
                break
        headers.append(("X-Request-Id", self.request_id))
        headers.extend(more)
        return self._start(status, headers) if exc_info is None else self._start(status, headers, exc_info)

    def _start_over(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        return self.start(status, headers, exc_info or sys.exc_info())

    def _start_page(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        # Flask takes the request out of the environ before the body is sent.
        rule = getattr(self._environ.get("werkzeug.request"), "url_rule", None)
        if rule is not None:
            self.route = rule.rule
        return self.start(status, headers, exc_info)

    def start_call(self, status: str, headers: Headers, /) -> None:
        """The same for a call, whose answer is no page with a policy of its own."""
        self._status = status[:3]
        headers.append(("X-Request-Id", self.request_id))
        headers.extend(self._layer.headers)
        self._start(status, headers)

    def begin(self) -> Iterable[bytes]:
        """The body of a hot call as a list, if it is there at once; else this exchange, which is still to be `run`."""
        found = None if bounds.target_is_too_long(self._environ) else self._layer.find(self._environ)
        if found is None or not found[0].hot:
            return self
        self._be_current()
        body = self._called(found)
        if isinstance(body, list):
            return body
        self._rest = body
        return self

    def decide(self) -> bool:
        """Do all but tell anybody, which `run` does; whether it went without a fault."""
        found = self._layer.find(self._environ)
        if found is not None and found[0].hot:
            self._be_current()
            self.route = found[0].rule
            body = self._layer.answer(found, Call(self._environ, self.route, self), self)
            self._rest = (lambda: body) if isinstance(body, list) else body
        return not self._status.startswith("5")

    def run(self) -> Iterable[bytes]:
        """The answer's body; a fault that nobody handled becomes a plain one."""
        self._be_current()
        if self._rest is not None:
            return self._waited(self._rest)
        if not self._refused and not self._leads_nowhere():
            found = self._layer.find(self._environ)
            # Hot calls look at few headers; none of them takes longer for being long.
            if found is not None and (found[0].hot or not bounds.head_is_too_large(self._environ)):
                body = self._called(found)
                return body if isinstance(body, list) else self._waited(body)
        try:
            self._body = self._whole()
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            self._body = self._broken(error)
        self._next: Iterator[bytes] = iter(self._body)
        return self

    def _leads_nowhere(self) -> bool:
        return bounds.target_is_too_long(self._environ) and self._environ["PATH_INFO"] != faults.GATEWAYS

    def _whole(self) -> Iterable[bytes]:
        status = self._refused
        if not status and self._leads_nowhere():
            status = "414 URI Too Long"
        if not status and bounds.head_is_too_large(self._environ):
            status = "431 Request Header Fields Too Large"
        if status:
            return faults.refused(self._environ, self.start, status)
        return self._layer.app(self._environ, self._start_page)

    def _called(self, found: Found) -> list[bytes] | Rest:
        """The body as a list, which a server sends without asking for each part; or what is left to do."""
        self.route = found[0].rule
        try:
            body = self._layer.answer(found, Call(self._environ, self.route, self), self)
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            body = [*self._broken(error)]
        if isinstance(body, list):
            self._log()
        return body

    def _waited(self, rest: Rest) -> list[bytes]:
        try:
            body = rest()
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            body = [*self._broken(error)]
        self._log()
        return body

    def _be_current(self) -> None:
        # A request that was begun where requests arrive goes on in a thread.
        origin.current.set(self._origin)
        log_line.begin(self)

    def _broken(self, error: Exception) -> Iterable[bytes]:
        again: StartResponse = self._start_over if self._status != "000" else self.start
        return faults.unhandled(error, self._environ, again)

    def __iter__(self) -> "Exchange":
        return self

    def __next__(self) -> bytes:
        return next(self._next)

    def close(self) -> None:
        """The server has sent the body, or given up: let go and log."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._log()

    def _log(self) -> None:
        layer = self._layer
        if layer.observe is not None:
            layer.observe(self.route, self._status, time.perf_counter() - self._started)
        if layer.write is not None:
            seconds = time.perf_counter() - self._started
            layer.write(request_log.text(self, self._environ["REQUEST_METHOD"], self._status, seconds))


MakeExchange: TypeAlias = Callable[..., Exchange]


class Layer:
    """The WSGI application around the application, behind as many proxies as are `trusted`; `exchange` makes those.

    `write` gets one JSON line a request, `observe` what is counted of it; None: neither.

    Without a dispatcher everything is the application's.
    """

    find: Callable[[WSGIEnvironment], Found | None] = staticmethod(lambda _environ: None)
    answer: Callable[[Found, Call, Way], list[bytes] | Rest]

    def __init__(
        self,
        app: WSGIApplication,
        dispatcher: Dispatcher | None = None,
        *,
        secure: bool,
        trusted: int = 0,
        write: Write | None = None,
        observe: Observe | None = None,
        exchange: MakeExchange = Exchange,
    ) -> None:
        self.app, self.trusted, self.write, self.observe, self.exchange = app, trusted, write, observe, exchange
        if dispatcher is not None:
            self.find, self.answer = dispatcher.find, dispatcher.answer
        self.other_headers = [*policy.HEADERS, policy.STRICT_TRANSPORT] if secure else policy.HEADERS
        self.headers = [*self.other_headers, ("Content-Security-Policy", policy.PAGE)]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return self.exchange(self, environ, start).run()

    def begin(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """What can be answered at once, as a list; else an exchange that is still to be run."""
        return self.exchange(self, environ, start).begin()

    def refuse(self, environ: WSGIEnvironment, start: StartResponse, status: str) -> Iterable[bytes]:
        """The answer to what is refused before the application is asked."""
        return self.exchange(self, environ, start, status).run()


def install(
    app: Flask, *, write: Write | None = None, observe: Observe | None = None, exchange: MakeExchange = Exchange
) -> None:
    """Put the layer around an application."""
    ours, dispatcher = settings.current(), Dispatcher(app)
    paths.tell(app, dispatcher)
    secure, trusted = ours.secure, ours.trusted_proxies
    layer = Layer(
        app.wsgi_app, dispatcher, secure=secure, trusted=trusted, write=write, observe=observe, exchange=exchange
    )
    app.wsgi_app = layer  # type: ignore[assignment] # Flask's documented way to add middleware

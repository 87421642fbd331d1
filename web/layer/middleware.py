"""The layer around the application: request ids, security headers, the log line, and the answer when all else fails.

The bearer path passes here too, so it is counted in microseconds: nothing is parsed twice, the headers are one list
made beforehand, and the log line is put together by hand and written at once. Calls of programs go to the dispatcher,
everything else to Flask.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from latchkey import ids, origin, settings
from latchkey.store import session as db
from web import policy
from web.layer import bounds, faults, proxies, request_log
from web.layer.dispatch import Dispatcher, Endpoint, Found, Rest
from web.layer.metrics import Observe

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

Headers: TypeAlias = list[tuple[str, str]]
Write: TypeAlias = Callable[[bytes], object]
# In the application's extensions: the paths of hot calls, of those that only read first, and of those among them that
# are answered where requests arrive.
HOT, READING, AT_ARRIVAL = "latchkey.hot", "latchkey.reading", "latchkey.at_arrival"


class Exchange:
    """One request and its answer: the `start_response` of the application and the body for the server."""

    __slots__ = (
        "_body", "_environ", "_next", "_refused", "_request_id", "_rest", "_route", "_start", "_started", "_status",
        "_wrapped",
    )  # fmt: skip

    def __init__(self, layer: "Layer", environ: WSGIEnvironment, start: StartResponse, refused: str = "") -> None:
        self._request_id = environ["latchkey.request_id"] = ids.draw()
        proxies.believe(environ, layer.trusted)
        self._wrapped, self._environ, self._start, self._refused = layer, environ, start, refused
        self._started, self._status, self._route = time.perf_counter(), "000", ""
        self._rest: Rest | None = None

    def start(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        """PEP 3333's start_response, with our headers."""
        self._status = status[:3]
        more = self._wrapped.headers
        for name, _ in headers:
            if name == "Content-Security-Policy":
                more = self._wrapped.other_headers
                break
        if self._wrapped.write is not None or self._wrapped.observe is not None:
            self._route = self._route_of_request()
        headers.append(("X-Request-Id", self._request_id))
        headers.extend(more)
        return self._start(status, headers) if exc_info is None else self._start(status, headers, exc_info)

    def _start_over(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        return self.start(status, headers, exc_info or sys.exc_info())

    def begin(self) -> Iterable[bytes]:
        """The body as a list, if it can be had without waiting; else this exchange, which is still to be `run`."""
        found = None if bounds.target_is_too_long(self._environ) else self._wrapped.find(self._environ)
        if found is None or not found[0].at_arrival:
            return self
        self._note_origin()
        body = self._dispatched(self._wrapped.answer, found, self._environ, self.start)
        if isinstance(body, list):
            return body
        self._rest = body
        return self

    def run(self) -> Iterable[bytes]:
        """The answer's body; a fault that nobody handled becomes a plain one."""
        environ, found = self._environ, None
        self._note_origin()
        if self._rest is not None:
            return self._waited(self._rest)
        if not self._refused and not self._leads_nowhere():
            found = self._wrapped.find(environ)
        # Hot calls look at few headers; none of them takes longer for being long.
        if found is not None and (found[0].hot or not bounds.head_is_too_large(environ)):
            return self._waited(self._dispatched(self._wrapped.answer, found, environ, self.start))
        try:
            self._body = self._whole(environ)
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            self._body = self._broken(error)
        self._next: Iterator[bytes] = iter(self._body)
        return self

    def _leads_nowhere(self) -> bool:
        return bounds.target_is_too_long(self._environ) and self._environ["PATH_INFO"] != faults.GATEWAYS

    def _whole(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        status = self._refused
        if not status and self._leads_nowhere():
            status = "414 URI Too Long"
        if not status and bounds.head_is_too_large(environ):
            status = "431 Request Header Fields Too Large"
        return faults.refused(environ, self.start, status) if status else self._wrapped.app(environ, self.start)

    def _dispatched(self, answer: Callable[..., list[bytes] | Rest], *given: Any) -> list[bytes] | Rest:
        """The body as a list, which a server sends without asking for each part; or what is left to do."""
        try:
            body = answer(*given)
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            body = [*self._broken(error)]
        if isinstance(body, list):
            self._log()
        return body

    def _waited(self, body: list[bytes] | Rest) -> list[bytes]:
        while not isinstance(body, list):
            body = self._dispatched(body)
        return body

    def _note_origin(self) -> None:
        origin.current.set(proxies.origin(self._environ, self._request_id))

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
        if self._wrapped.observe is not None:
            self._wrapped.observe(self._route, self._status, time.perf_counter() - self._started)
        if self._wrapped.write is not None:
            self._wrapped.write(request_log.line(self._environ, self._route, self._status, self._started))

    def _route_of_request(self) -> str:
        # Flask takes the request out of the environ before the body is sent.
        rule = getattr(self._environ.get("werkzeug.request"), "url_rule", None)
        return str(self._environ.get("latchkey.route", "") if rule is None else rule.rule)


class Layer:
    """The WSGI application around the application, behind as many proxies as are `trusted`.

    `write` gets one JSON line a request, `observe` what is counted of it; None: neither.

    Without a dispatcher everything is the application's.
    """

    find: Callable[[WSGIEnvironment], Found | None] = staticmethod(lambda _environ: None)
    answer: Callable[[Found, WSGIEnvironment, StartResponse], list[bytes] | Rest]

    def __init__(
        self,
        app: WSGIApplication,
        dispatcher: Dispatcher | None = None,
        *,
        secure: bool,
        trusted: int = 0,
        write: Write | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.app, self.trusted, self.write, self.observe = app, trusted, write, observe
        if dispatcher is not None:
            self.find, self.answer = dispatcher.find, dispatcher.answer
        self.other_headers = [*policy.HEADERS, policy.STRICT_TRANSPORT] if secure else policy.HEADERS
        self.headers = [*self.other_headers, ("Content-Security-Policy", policy.PAGE)]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return Exchange(self, environ, start).run()

    def begin(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """What can be answered without waiting, as a list; else an exchange that is still to be run."""
        return Exchange(self, environ, start).begin()

    def refuse(self, environ: WSGIEnvironment, start: StartResponse, status: str) -> Iterable[bytes]:
        """The answer to what is refused before the application is asked."""
        return Exchange(self, environ, start, status).run()


def _never_waits(endpoint: Endpoint) -> bool:
    """Whether an endpoint may be asked where requests arrive: no network is between, and no counter elsewhere."""
    counted = hasattr(endpoint.view, "scopes") and settings.current().api_rate_limit is not None
    return endpoint.at_arrival and db.engines().embedded and not counted


def install(app: Flask, *, write: Write | None = None, observe: Observe | None = None) -> None:
    """Put the layer around an application."""
    ours, dispatcher = settings.current(), Dispatcher(app)
    app.extensions[HOT] = dispatcher.paths(lambda endpoint: endpoint.hot)
    app.extensions[READING] = dispatcher.paths(lambda endpoint: endpoint.at_arrival)
    app.extensions[AT_ARRIVAL] = dispatcher.paths(_never_waits)
    layer = Layer(
        app.wsgi_app, dispatcher, secure=ours.secure, trusted=ours.trusted_proxies, write=write, observe=observe
    )
    app.wsgi_app = layer  # type: ignore[assignment] # Flask's documented way to add middleware

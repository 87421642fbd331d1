"""The layer around the application: request ids, security headers, the log line, and the answer when all else fails.

The bearer path passes here too, so it is counted in microseconds: nothing is parsed twice, the headers are one list
made beforehand, and the log line is put together by hand and written at once. Calls that are asked more than all others
have a short way, which answers them without Flask.
"""

import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from latchkey import ids, origin, settings
from latchkey.store import conflicts
from latchkey.store import session as db
from web import policy
from web.layer import bounds, faults, proxies, request_log
from web.layer.dispatch import Dispatcher, Found

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

Headers: TypeAlias = list[tuple[str, str]]
Write: TypeAlias = Callable[[bytes], object]
# Answers a request without Flask; None: it goes the whole way.
AtOnce: TypeAlias = Callable[[WSGIEnvironment, StartResponse], list[bytes] | None]

LONGEST_READ_AHEAD = 64 * 1024
# In the environ: only do what takes no waiting; refuse, with this status.
AT_ONCE, REFUSED = "latchkey.at_once", "latchkey.refused"
# In the application's extensions: the paths that have a short way; those whose short way takes no waiting are AT_ONCE.
SHORT = "latchkey.short_ways"


class ShortWay:
    """How the requests to one path are answered without Flask.

    On an embedded database one at a time in a process: its driver gives the interpreter up several times in each
    request, and threads that fight for it cost more than the request does.
    """

    __slots__ = ("at_once", "turn")

    def __init__(self, at_once: AtOnce, *, alone: bool) -> None:
        self.at_once = at_once
        self.turn: AbstractContextManager[object] = threading.Lock() if alone else nullcontext()


def _read_ahead(environ: WSGIEnvironment) -> None:
    """Have a small body here, so that nobody waits for one while it is their turn."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) <= LONGEST_READ_AHEAD:
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))


class Exchange:
    """One request and its answer: the `start_response` of the application and the body for the server."""

    __slots__ = (
        "_body", "_environ", "_next", "_request_id", "_route", "_start", "_started", "_status", "_tried", "_wrapped",
    )  # fmt: skip

    def __init__(self, layer: "Layer", environ: WSGIEnvironment, start: StartResponse, request_id: str) -> None:
        self._wrapped, self._environ, self._start, self._request_id = layer, environ, start, request_id
        self._started, self._status, self._route, self._tried = time.perf_counter(), "000", "", False

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
        if self._wrapped.write is not None:
            self._route = self._route_of_request()
        headers.append(("X-Request-Id", self._request_id))
        headers.extend(more)
        return self._start(status, headers) if exc_info is None else self._start(status, headers, exc_info)

    def _start_over(
        self, status: str, headers: Headers, exc_info: "OptExcInfo | None" = None, /
    ) -> Callable[[bytes], object]:
        return self.start(status, headers, exc_info or sys.exc_info())

    def begin(self) -> Iterable[bytes]:
        """The body as a list, if the short way has the answer; else this exchange, which is still to be `run`."""
        if bounds.target_is_too_long(self._environ):
            return self
        found = self._wrapped.find(self._environ)
        if found is not None and found[0].may_wait:
            return self
        self._note_origin()
        if found is not None:
            return self._dispatched(found)
        if self._environ["PATH_INFO"] not in self._wrapped.short_ways:
            return self
        self._tried = True
        try:
            body = self._at_once(self._wrapped.short_ways[self._environ["PATH_INFO"]])
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            body = [*self._broken(error)]
            self._log()
        return self if body is None else body

    def run(self) -> Iterable[bytes]:
        """The answer's body; a fault that nobody handled becomes a plain one."""
        environ = self._environ
        self._note_origin()
        try:
            if REFUSED in environ:
                self._body: Iterable[bytes] = faults.refused(environ, self.start, environ[REFUSED])
            elif bounds.target_is_too_long(environ) and environ["PATH_INFO"] != faults.GATEWAYS:
                self._body = faults.refused(environ, self.start, "414 URI Too Long")
            else:
                short_way = None if self._tried else self._wrapped.short_ways.get(environ["PATH_INFO"])
                if short_way is not None and (body := self._at_once(short_way)) is not None:
                    return body
                found = self._wrapped.find(environ)
                # Calls at arrival look at few headers, like ways that are short: none takes longer for being long.
                if found is not None and (found[0].at_arrival or not bounds.head_is_too_large(environ)):
                    return self._dispatched(found)
                self._body = self._whole(environ)
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            self._body = self._broken(error)
        self._next: Iterator[bytes] = iter(self._body)
        return self

    def _whole(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        # Ways that are short look at few headers; none of them takes longer for being long.
        if bounds.head_is_too_large(environ):
            return faults.refused(environ, self.start, "431 Request Header Fields Too Large")
        return self._wrapped.app(environ, self.start)

    def _dispatched(self, found: Found) -> list[bytes]:
        """The body as a list, which a server sends without asking for each part."""
        try:
            body = self._wrapped.answer(found, self._environ, self.start)
        except Exception as error:  # noqa: BLE001 - this is the last one to ask
            body = [*self._broken(error)]
        self._log()
        return body

    def _note_origin(self) -> None:
        origin.current.set(proxies.origin(self._environ, self._request_id))

    def _broken(self, error: Exception) -> Iterable[bytes]:
        again: StartResponse = self._start_over if self._status != "000" else self.start
        return faults.unhandled(error, self._environ, again)

    def _at_once(self, way: ShortWay) -> list[bytes] | None:
        """The body as a list, which a server sends without asking for each part."""
        _read_ahead(self._environ)
        with way.turn:
            try:
                body = way.at_once(self._environ, self.start)
            except Exception as error:
                if self._status != "000":
                    raise
                # The whole way says what to do about it, such as when the database is away; but it may not meet it.
                if not conflicts.met(error):
                    faults.report(error, self._request_id)
                return None
            if body is not None:
                self._log()
        return body

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
        if self._wrapped.write is not None:
            self._wrapped.write(request_log.line(self._environ, self._route, self._status, self._started))

    def _route_of_request(self) -> str:
        # Flask takes the request out of the environ before the body is sent.
        rule = getattr(self._environ.get("werkzeug.request"), "url_rule", None)
        return str(self._environ.get("latchkey.route", "") if rule is None else rule.rule)


class Layer:
    """The WSGI application around the application, behind as many proxies as are `trusted`.

    `write` gets one JSON line a request; None: no log. Without a dispatcher everything is the application's.
    """

    find: Callable[[WSGIEnvironment], Found | None] = staticmethod(lambda _environ: None)
    answer: Callable[[Found, WSGIEnvironment, StartResponse], list[bytes]]

    def __init__(
        self,
        app: WSGIApplication,
        short_ways: Mapping[str, ShortWay] | None = None,
        dispatcher: Dispatcher | None = None,
        *,
        secure: bool,
        trusted: int = 0,
        write: Write | None = None,
    ) -> None:
        self.app, self.short_ways, self.trusted, self.write = app, short_ways or {}, trusted, write
        if dispatcher is not None:
            self.find, self.answer = dispatcher.find, dispatcher.answer
        self.other_headers = [*policy.HEADERS, policy.STRICT_TRANSPORT] if secure else policy.HEADERS
        self.headers = [*self.other_headers, ("Content-Security-Policy", policy.PAGE)]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request_id = ids.draw()
        environ["latchkey.request_id"] = request_id
        proxies.believe(environ, self.trusted)
        exchange = Exchange(self, environ, start, request_id)
        return exchange.begin() if AT_ONCE in environ else exchange.run()


def install(
    app: Flask, at_once: Mapping[str, AtOnce], *, writes: Collection[str] = (), write: Write | None = None
) -> None:
    """Put the layer around an application.

    `at_once` answers by path. What is none of `writes` only reads, and an embedded database lets nobody wait for that.
    """
    ours = settings.current()
    alone = db.engines().embedded
    short_ways = {path: ShortWay(answer, alone=alone) for path, answer in at_once.items()}
    dispatcher = Dispatcher(app)
    app.extensions[SHORT] = dispatcher.arriving | frozenset(short_ways)
    app.extensions[AT_ONCE] = app.extensions[SHORT].difference(writes) if alone else frozenset()
    layer = Layer(app.wsgi_app, short_ways, dispatcher, secure=ours.secure, trusted=ours.trusted_proxies, write=write)
    app.wsgi_app = layer  # type: ignore[assignment] # Flask's documented way to add middleware

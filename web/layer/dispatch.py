"""Answers calls of programs without a request context of Flask, as their blueprints declared them."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias, cast
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from werkzeug.exceptions import HTTPException

from latchkey import settings
from latchkey.store import conflicts
from latchkey.store.session import db
from web import calls
from web.calls import Call, Refusal, Reply

_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Endpoint(NamedTuple):
    """A view of a `Call` under one rule."""

    rule: str
    view: Callable[..., Reply]
    at_arrival: bool

    @property
    def may_wait(self) -> bool:
        """Whether it must not be answered where requests arrive: it writes, or asks a counter elsewhere."""
        return not self.at_arrival or settings.current().api_rate_limit is not None


Ids: TypeAlias = Mapping[str, Any]
Found: TypeAlias = tuple[Endpoint, Ids]
NONE: Ids = {}


class Dispatcher:
    """Finds the endpoint of a call in the application's map and answers it; all else, and any doubt, is Flask's."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._map = app.url_map.bind("localhost")
        self._exact: dict[tuple[str, str], Endpoint] = {}
        self._named: dict[str, Endpoint] = {}
        beginnings: set[str] = set()
        for rule in app.url_map.iter_rules():
            view = getattr(app.view_functions.get(rule.endpoint), "call", None)
            if view is None:
                continue
            endpoint = Endpoint(rule.rule, view, hasattr(view, "at_arrival"))
            beginning, variable, _ = rule.rule.partition("<")
            if variable:
                self._named[rule.endpoint] = endpoint
                beginnings.add(beginning)
            else:
                # HEAD is answered by Flask, which leaves the body out.
                self._exact |= {(rule.rule, method): endpoint for method in (rule.methods or set()) - {"HEAD"}}
        self._beginnings = tuple(beginnings)

    @property
    def arriving(self) -> frozenset[str]:
        """The paths that have a call which may be answered where requests arrive."""
        return frozenset(path for (path, _), endpoint in self._exact.items() if endpoint.at_arrival)

    def find(self, environ: WSGIEnvironment) -> Found | None:
        """Who answers this, and the ids in its path."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        endpoint = self._exact.get((path, method))
        if endpoint is not None:
            return endpoint, NONE
        if not path.startswith(self._beginnings) or method == "HEAD" or not path.isascii():
            return None
        try:
            name, ids = self._map.match(path, method)
        except HTTPException:
            return None
        endpoint = self._named.get(name)
        return None if endpoint is None else (endpoint, ids)

    def answer(self, found: Found, environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        """The body of the answer, decided once."""
        endpoint, ids = found
        environ["latchkey.route"] = endpoint.rule
        call = Call(environ, endpoint.rule)
        calls.current.set(call)
        try:
            try:
                reply = self._decided(endpoint, call, ids)
            except Refusal as refusal:
                reply = refusal.reply(call.request_id)
            except Exception as error:  # noqa: BLE001 - Flask's handlers say what it is
                return self._fault(error, environ, start)
        finally:
            if db.registry.has():
                db.remove()
        if "HTTP_IF_NONE_MATCH" in environ:
            reply = calls.conditional(call, reply)
        start(_STATUS[reply.status], calls.headers(call, reply))
        return [reply.body]

    def _decided(self, endpoint: Endpoint, call: Call, ids: Ids) -> Reply:
        if endpoint.at_arrival:
            # A statement that reads meets nobody's change.
            return endpoint.view(call)
        view: Callable[[], Reply] = partial(endpoint.view, call, **ids)
        if call.method == "GET":
            return conflicts.again(view)
        # Whoever writes may write letters too, whose templates are the application's.
        with self._app.app_context():
            return conflicts.again(view)

    def _fault(self, error: Exception, environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        with self._app.request_context(environ):
            answer = self._app.make_response(self._app.handle_user_exception(error))
            return [b"".join(cast("Any", answer)(environ, start))]

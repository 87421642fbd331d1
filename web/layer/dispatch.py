"""Serves hot endpoints without Flask, and all other calls of programs, as their blueprints declared them."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from wsgiref.types import WSGIEnvironment

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.tokens.imported import lookup
from latchkey.tokens.imported.lookup import Unproved
from web import calls
from web.ahead import Foresee
from web.calls import Call, Later, Pairs, Refusal, Reply
from web.log_line import LogLine

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

Result = TypeVar("Result")
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Endpoint(NamedTuple):
    """A view of a `Call` under one rule."""

    rule: str
    view: Callable[..., Reply | Later]
    hot: bool
    at_arrival: bool
    foresee: Foresee | None


# HEAD goes to Flask, which leaves the body out.
FLASKS = frozenset({"HEAD", "OPTIONS"})
Ids: TypeAlias = Mapping[str, Any]
Found: TypeAlias = tuple[Endpoint, Ids]
# What is left of an answer that must not be waited for where requests arrive.
Rest: TypeAlias = Callable[[], list[bytes]]
NONE: Ids = {}


class Way(LogLine):
    """The way back to whoever asked."""

    __slots__ = ()

    def start(self, status: str, headers: Pairs, exc_info: "OptExcInfo | None" = None, /) -> Callable[[bytes], object]:
        """PEP 3333's start_response."""
        raise NotImplementedError

    def start_call(self, status: str, headers: Pairs, /) -> None:
        """The same for a call, whose answer is no page with a policy of its own."""
        raise NotImplementedError


def _ours(rule: Rule) -> set[str]:
    """The methods of a rule that its own view answers."""
    return (rule.methods or set()) - (FLASKS if rule.provide_automatic_options else {"HEAD"})  # type: ignore[attr-defined] # Flask's


class Dispatcher:
    """Finds the endpoint of a call in the application's map and answers it; all else, and any doubt, is Flask's."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._map = app.url_map.bind("localhost")
        self._exact: dict[tuple[str, str], Found] = {}
        self._any_method: dict[str, Found] = {}
        self._named: dict[str, Endpoint] = {}
        beginnings: set[str] = set()
        for rule in app.url_map.iter_rules():
            view = getattr(app.view_functions.get(rule.endpoint), "call", None)
            if view is None:
                continue
            endpoint = Endpoint(
                rule.rule, view, hasattr(view, "hot"), hasattr(view, "at_arrival"), getattr(view, "foresee", None)
            )
            beginning, variable, _ = rule.rule.partition("<")
            if variable:
                self._named[rule.endpoint] = endpoint
                beginnings.add(beginning)
            elif (rule.methods or set()) >= calls.EVERY_METHOD:
                self._any_method[rule.rule] = endpoint, NONE
            else:
                self._exact |= {(rule.rule, method): (endpoint, NONE) for method in _ours(rule)}
        self._beginnings = tuple(beginnings)

    def paths(self, wanted: Callable[[Endpoint], bool]) -> frozenset[str]:
        """Those of fixed paths that have such an endpoint."""
        found = (*self._exact.values(), *self._any_method.values())
        return frozenset(endpoint.rule for endpoint, _ in found if wanted(endpoint))

    def foresights(self, wanted: Callable[[Endpoint], bool]) -> dict[str, Foresee]:
        """What tells of calls of such fixed paths what they will read."""
        found = (endpoint for endpoint, _ in (*self._exact.values(), *self._any_method.values()))
        return {each.rule: each.foresee for each in found if each.foresee is not None and wanted(each)}

    def find(self, environ: WSGIEnvironment) -> Found | None:
        """Who answers this, and the ids in its path."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        found = self._exact.get((path, method)) or self._any_method.get(path)
        if found is not None or not path.startswith(self._beginnings) or method in FLASKS or not path.isascii():
            return found
        try:
            name, ids = self._map.match(path, method)
        except HTTPException:
            return None
        endpoint = self._named.get(name)
        return None if endpoint is None else (endpoint, ids)

    def answer(self, found: Found, call: Call, way: Way) -> list[bytes] | Rest:
        """The body of the answer, decided once; or what is left to do, if that has to wait for a turn to write."""
        endpoint, ids = found
        calls.current.set(call)
        try:
            # A statement that reads meets nobody's change, and opens no session.
            reply = endpoint.view(call) if endpoint.at_arrival else self._decided(endpoint, call, ids)
        except Unproved as unproved:
            call.environ[calls.SLOW] = True
            return partial(self._proved, unproved, call, found, way)
        except Exception as error:  # noqa: BLE001 - Flask's handlers say what it is
            return self._failed(call, error, way)
        return _sent(call, reply, way) if isinstance(reply, Reply) else partial(self._finish, call, reply, way)

    def _proved(self, unproved: Unproved, call: Call, found: Found, way: Way) -> list[bytes]:
        """A token of another system takes work to be told from a guess; where one may wait, it is done."""
        try:
            with unproved.proved():
                body = self.answer(found, call, way)
                return body if isinstance(body, list) else body()
        except Exception as error:  # noqa: BLE001 - Flask's handlers say what it is
            return self._failed(call, error, way)

    def _finish(self, call: Call, rest: Later, way: Way) -> list[bytes]:
        calls.current.set(call)
        try:
            # It may ask about a token of another system, too: where it had to wait for the proof of the app.
            return _sent(call, lookup.asked(partial(self._with_letters, rest)), way)
        except Exception as error:  # noqa: BLE001 - Flask's handlers say what it is
            return self._failed(call, error, way)

    def _decided(self, endpoint: Endpoint, call: Call, ids: Ids) -> Reply | Later:
        view = partial(endpoint.view, call, **ids)
        # A hot call writes no letters; what else it has to do is `Later`.
        if not endpoint.hot and call.method != "GET":
            return self._with_letters(view)
        try:
            return conflicts.again(view)
        finally:
            if db.registry.has():
                db.remove()

    def _with_letters(self, view: Callable[[], Result]) -> Result:
        # Whoever writes may write letters too, whose templates are the application's, which removes the session.
        with self._app.app_context():
            return conflicts.again(view)

    def _failed(self, call: Call, error: Exception, way: Way) -> list[bytes]:
        if isinstance(error, Refusal):
            return _sent(call, error.reply(call.request_id), way)
        with self._app.request_context(call.environ):
            answer = self._app.make_response(self._app.handle_user_exception(error))
            return [b"".join(answer(call.environ, way.start))]


def _sent(call: Call, reply: Reply, way: Way) -> list[bytes]:
    if "HTTP_IF_NONE_MATCH" in call.environ:
        reply = calls.conditional(call, reply)
    way.start_call(_STATUS[reply.status], calls.headers(call, reply))
    return [reply.body]

"""Calls of programs: a function of a `Call` that returns a `Reply`, which needs no request of Flask."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, partial, wraps
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import parse_qsl
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_etags
from werkzeug.wsgi import get_input_stream

from latchkey.tokens.access import Bearer
from latchkey.tokens.imported import lookup
from web import log_line

Answer: TypeAlias = Callable[..., Any]
View = TypeVar("View", bound=Answer)
Pairs: TypeAlias = list[tuple[str, str]]

# A report of 1,000 credentials, indented. How deep and how many is bounded where it is read.
LONGEST_BODY = 256 * 1024
# Of headers: digits of a length, and tags of what somebody has already, of which many take long to look through.
LONGEST_LENGTH, LONGEST_TAGS = 12, 4 * 1024
# For calls that are answered by any method: these, and whatever others somebody makes up.
EVERY_METHOD = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
# A form with this in it may have to wait for another host, so that nobody may wait for it; a long one is long to read.
SIGNED, QUICK = b"client_assertion=", 16 * 1024


def patient(body: bytes) -> bool:
    """Whether a body is answered by threads that may wait, hot or not: an app's keys may have to be asked for."""
    return len(body) > QUICK or SIGNED in body


class Call:
    """What a program asks: headers and body are read when somebody wants them, the body once."""

    __slots__ = ("_body", "_query", "bearer", "environ", "limits", "line", "method", "rule")

    # Who asks, when a guard has let the call pass.
    bearer: Bearer

    def __init__(self, environ: WSGIEnvironment, rule: str, line: log_line.LogLine | None = None) -> None:
        # `rule` is that of the blueprint that leads here. Without a line the call is part of another request.
        self.environ, self.rule, self.line = environ, rule, line or log_line.LogLine()
        self.method: str = environ["REQUEST_METHOD"]
        # The headers that tell of a limit, whatever the answer is.
        self.limits: tuple[tuple[str, str], ...] = ()
        self._body: bytes | None = None
        self._query: dict[str, str] | None = None

    @property
    def path(self) -> str:
        """The path, as the server gives it."""
        return str(self.environ["PATH_INFO"])

    @property
    def request_id(self) -> str:
        """The X-Request-Id of the answer."""
        return self.line.request_id

    def header(self, name: str) -> str | None:
        """The value of a header; None when it did not come."""
        key = name.upper().replace("-", "_")
        value: str | None = self.environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}")
        return value

    def admitted(self, token_id: str, user_id: str | None) -> None:
        """Whose call it is, for the log line."""
        self.line.token_id, self.line.user_id = token_id, user_id

    @property
    def query(self) -> dict[str, str]:
        """The first value of each parameter in the address."""
        if self._query is None:
            # PEP 3333: bytes that are no ASCII arrive as Latin-1.
            sent = self.environ.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "replace")
            self._query = dict(reversed(parse_qsl(sent, keep_blank_values=True, errors="replace")))
        return self._query

    @property
    def mimetype(self) -> str:
        """What the body is said to be. What stands behind it says nothing here, and may be long to read."""
        return (self.header("Content-Type") or "").partition(";")[0].strip(" \t").lower()

    @property
    def body(self) -> bytes:
        """The whole body. Raises `RequestEntityTooLarge`."""
        if self._body is None:
            self._body = self._read()
        return self._body

    def _read(self) -> bytes:
        length = self.environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or len(length) > LONGEST_LENGTH:
            return get_input_stream(self.environ, max_content_length=LONGEST_BODY).read()
        if int(length) > LONGEST_BODY:
            raise RequestEntityTooLarge
        body: bytes = self.environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise ClientDisconnected
        return body


class _FlaskCall(Call):
    """A call that came through Flask, whose request reads the body once for both."""

    __slots__ = ()

    def _read(self) -> bytes:
        return request.get_data()


class Reply(NamedTuple):
    """What a call is answered."""

    status: int
    body: bytes
    headers: Pairs
    # Those that every answer of its kind has, added last.
    fixed: Pairs


# What is left to do, for which somebody may have to wait: of a call that was decided, the part that writes.
Later: TypeAlias = Callable[[], Reply]


# In the environ of a call, what calls back when that which is `Later` of it is due; or that it takes long when it is.
Wait: TypeAlias = Callable[[Callable[[], object]], object]
PARKED, SLOW = "latchkey.parked", "latchkey.slow"


class Refusal(Exception):
    """A decision against a call, which says itself how it is answered."""

    def reply(self, request_id: str) -> Reply:
        """What it is answered with, under the id of its request."""
        raise NotImplementedError


# The call that is being answered, for what reads it in depth: bodies, pages, repeats.
current: ContextVar[Call] = ContextVar("call")


def wants_call(view: Answer) -> bool:
    """Whether a view says by its first parameter that a `Call` is all it needs; any other wants Flask."""
    first = next(iter(inspect.signature(view).parameters.values()), None)
    # A file whose annotations are texts names it so.
    return first is not None and first.annotation in (Call, "Call", "calls.Call")


def hot(view: View) -> View:
    """Marks a call that is asked more than others, and takes a few statements: it waits for no pages and passwords."""
    view.__dict__["hot"] = True
    return view


def at_arrival(view: View) -> View:
    """Marks a hot call that only reads: an embedded database is asked where requests arrive. What writes is `Later`.

    It asks by prepared statements, since nobody removes a session after it.
    """
    view.__dict__["at_arrival"] = True
    return hot(view)


def conditional(call: Call, reply: Reply) -> Reply:
    """304 for who has it already (RFC 9110 §13.1.2)."""
    asked = call.environ.get("HTTP_IF_NONE_MATCH")
    if asked is None or len(asked) > LONGEST_TAGS or reply.status != 200 or call.method not in ("GET", "HEAD"):
        return reply
    etag = next((value for name, value in reply.headers if name == "ETag"), None)
    if etag is None or not parse_etags(asked).contains_weak(etag.strip('"')):
        return reply
    return Reply(304, b"", [("ETag", etag)], reply.fixed)


def headers(call: Call, reply: Reply) -> Pairs:
    """All headers of the endpoint's own; the layer around the application adds its."""
    length = () if reply.status in (204, 304) else (("Content-Length", str(len(reply.body))),)
    return [*reply.headers, *length, *reply.fixed, *call.limits]


class _Answer(Response):
    """An answer whose headers were written here and are not looked over again."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers


def _response(call: Call, reply: Reply) -> Response:
    reply = conditional(call, reply)
    answer = _Answer(reply.body, reply.status)
    answer.headers = Headers(headers(call, reply))
    return answer


@cache
def _through_flask(view: Answer) -> Answer:
    """What Flask calls: HEAD for any view, and everything for a view that wants Flask."""
    given_call = wants_call(view)

    @wraps(view)
    def answer(**ids: str) -> Any:
        request.max_content_length = LONGEST_BODY
        call = _FlaskCall(request.environ, str(request.url_rule), log_line.current())
        current.set(call)
        try:
            answered = lookup.asked(partial(view, call, **ids) if given_call else partial(view, **ids))
            if given_call and not isinstance(answered, Reply):
                answered = lookup.asked(answered)
        except Refusal as refusal:
            answered = refusal.reply(call.request_id)
        return _response(call, answered) if isinstance(answered, Reply) else answered

    if given_call:
        answer.__dict__["call"] = view
    return answer


class Calls(Blueprint):
    """A blueprint for programs: its rules stand in the application's map, where the dispatcher finds them."""

    # Whether views that want Flask may read a call all the same, and refuse it.
    all_are_calls = False

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Answer | None = None, *args: Any, **options: Any
    ) -> None:
        """As Flask's own; a view of a `Call` is answered without Flask."""
        if view_func is not None and (self.all_are_calls or wants_call(view_func)):
            endpoint, view_func = endpoint or view_func.__name__, _through_flask(view_func)
        super().add_url_rule(rule, endpoint, view_func, *args, **options)

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """As Flask's own, for views that return a `Reply`, too."""
        return super().route(rule, **options)

    def get(self, rule: str, **options: Any) -> Callable[[View], View]:
        """The same for GET."""
        return self.route(rule, methods=["GET"], **options)

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:
        """The same for POST."""
        return self.route(rule, methods=["POST"], **options)

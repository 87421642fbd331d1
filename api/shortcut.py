"""Answers the calls that need nothing but the token's own facts before Flask is woken for them.

Flask itself costs more than finding the token. What is answered here is answered by the same guard, records and
problems; whatever is conditional, counted or out of the ordinary goes the whole way.
"""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

from api import me, token
from api.kit import answers, auth, problems
from api.kit.problems import Problem
from latchkey import settings
from latchkey.tokens.access import Bearer


class Quick(NamedTuple):
    """A call whose answer is made of the token's facts."""

    needed: frozenset[str]
    record: Callable[[Bearer], Mapping[str, Any]]


def _at_once(quick: Quick, environ: WSGIEnvironment, start: StartResponse) -> list[bytes] | None:
    if not _ordinary(environ):
        return None
    status, headers, body = _answer(quick, environ)
    environ["latchkey.route"] = environ["PATH_INFO"]
    start(status, [*headers, ("Content-Length", str(len(body))), *answers.Answer.fixed])
    return [body]


def _ordinary(environ: WSGIEnvironment) -> bool:
    plain = environ["REQUEST_METHOD"] == "GET" and "HTTP_IF_NONE_MATCH" not in environ
    return plain and settings.current().api_rate_limit is None


def _answer(quick: Quick, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
    try:
        body = answers.encode(quick.record(auth.let_pass(environ, quick.needed)))
    except Problem as problem:
        body = problems.encode(problem, environ["latchkey.request_id"])
        status = f"{problem.status} {HTTPStatus(problem.status).phrase}"
        return status, [("Content-Type", problems.MEDIA_TYPE), *problem.headers.items()], body
    return "200 OK", [("Content-Type", "application/json"), ("ETag", answers.tag(body))], body


CALLS = {
    "/v1/me": Quick(auth.needed(me.show_me), me.record),
    "/v1/token": Quick(auth.needed(token.show_token), token.record),
}
AT_ONCE: dict[str, Callable[..., list[bytes] | None]] = {
    path: partial(_at_once, quick) for path, quick in CALLS.items()
}

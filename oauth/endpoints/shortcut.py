"""Answers the questions that programs ask most before Flask is woken for them, if there is nothing to refuse."""

import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from authlib.oauth2 import OAuth2Error

from oauth.endpoints import check, introspection
from oauth.protocol import parameters
from oauth.protocol.parameters import Form, Presented
from oauth.token import flows

Decide = Callable[[Form, Presented], dict[str, Any] | None]

PRIVATE = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]


def at_once(decide: Decide, environ: WSGIEnvironment, start: StartResponse) -> list[bytes] | None:
    """A good request's answer, without rules of its own.

    Whatever cannot be granted goes the whole way, where it is refused, counted and kept for the app's owner.
    """
    asked = _plain(environ)
    answer = None if asked is None else decide(*asked)
    if answer is None:
        return None
    environ["latchkey.route"] = environ["PATH_INFO"]
    body = json.dumps(answer).encode()
    start("200 OK", [*PRIVATE, ("Content-Length", str(len(body)))])
    return [body]


def _plain(environ: WSGIEnvironment) -> tuple[Form, Presented] | None:
    """A form from a program, read; its body stays there for Flask."""
    length = environ.get("CONTENT_LENGTH") or ""
    if (
        environ["REQUEST_METHOD"] != "POST"
        or environ.get("CONTENT_TYPE") != parameters.FORM
        or environ.get("QUERY_STRING")
        or "HTTP_ORIGIN" in environ
        or not length.isdecimal()
        or int(length) > parameters.LONGEST_FORM
    ):
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    try:
        form = parameters.parsed(body)
        return form, parameters.presented(form.parameters, environ.get("HTTP_AUTHORIZATION"))
    except OAuth2Error:
        return None


DECISIONS: dict[str, Decide] = {"/oauth/token": flows.at_once, "/oauth/introspect": introspection.at_once}
# The paths whose answer changes something.
WRITES = frozenset({"/oauth/token"})
AT_ONCE: dict[str, Callable[..., list[bytes] | None]] = {
    check.PATH: check.answer,
    **{path: partial(at_once, decide) for path, decide in DECISIONS.items()},
}

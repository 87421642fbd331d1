"""Answers the questions that programs ask most before Flask is woken for them, if there is nothing to refuse."""

import json
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from authlib.oauth2 import OAuth2Error

from oauth import check, flows, guard, introspection
from oauth.server import Request

AT_ONCE: dict[str, Callable[[Request], dict[str, Any] | None]] = {
    "/oauth/token": flows.at_once,
    "/oauth/introspect": introspection.at_once,
}
PRIVATE = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class Shortcut:
    """The WSGI application in front of Flask, without rules of its own.

    Whatever it cannot grant goes the whole way, where it is refused, counted and kept for the app's owner.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == check.PATH:
            environ["latchkey.route"] = path
            return check.answer(environ, start)
        if path in AT_ONCE and (answer := _answer(environ, AT_ONCE[path])) is not None:
            environ["latchkey.route"] = path
            body = json.dumps(answer).encode()
            start("200 OK", [*PRIVATE, ("Content-Length", str(len(body)))])
            return [body]
        return self.app(environ, start)


def _answer(environ: WSGIEnvironment, decide: Callable[[Request], dict[str, Any] | None]) -> dict[str, Any] | None:
    asked = _plain(environ)
    try:
        return None if asked is None else decide(asked)
    except Exception:  # noqa: BLE001 - a database that is away is met again on the whole way, which says so
        return None


def _plain(environ: WSGIEnvironment) -> Request | None:
    """A form from a program, read; its body stays there for Flask."""
    length = environ.get("CONTENT_LENGTH") or ""
    if (
        environ["REQUEST_METHOD"] != "POST"
        or environ.get("CONTENT_TYPE") != guard.FORM
        or environ.get("QUERY_STRING")
        or "HTTP_ORIGIN" in environ
        or not length.isdecimal()
        or int(length) > guard.LONGEST_FORM
    ):
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    try:
        form = guard.parsed(body)
        return Request(*form, guard.presented(form.parameters, environ.get("HTTP_AUTHORIZATION")), at_once=True)
    except OAuth2Error:
        return None

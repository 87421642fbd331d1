"""Answers the two questions that are asked most, by gateways and by APIs, before Flask is woken for them."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oauth import check, introspection

INTROSPECT = "/oauth/introspect"


class Shortcut:
    """The WSGI application in front of Flask. It has no rules of its own: all else goes the whole way."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == check.PATH:
            environ["latchkey.route"] = path
            return check.answer(environ, start)
        if path == INTROSPECT and (body := introspection.at_once(environ)) is not None:
            environ["latchkey.route"] = path
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start("200 OK", [*headers, ("Cache-Control", "no-store"), ("Pragma", "no-cache")])
            return [body]
        return self.app(environ, start)

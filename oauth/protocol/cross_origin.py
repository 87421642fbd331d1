"""Which pages of other origins may read our answers: those of public apps, and everybody where nothing is secret."""

from collections.abc import Callable
from functools import wraps

from flask import Response, request

from latchkey import clients

PREFLIGHT_SECONDS = "600"


def for_apps(view: Callable[[], Response]) -> Callable[[], Response]:
    """The answer may be read by pages of the app that asks, without cookies."""

    @wraps(view)
    def answer() -> Response:
        response = view()
        origin = request.headers.get("Origin")
        if origin is not None:
            response.vary.add("Origin")
            client = clients.find(request.form.get("client_id", ""))
            if client is not None and client.speaks_from(origin):
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate, X-Request-Id"
        return response

    return answer


def preflight() -> Response:
    """The answer to a browser that asks beforehand."""
    response = Response(status=204)
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    # D-14; a preflight does not say whose page it is.
    if clients.any_speaks_from(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Accept"
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def for_everybody(response: Response) -> Response:
    """What is public may be read by pages of any origin (G-03)."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response

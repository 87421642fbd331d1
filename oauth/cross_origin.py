"""Which pages of other origins may read our answers: those of public apps, and everybody where nothing is secret."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from flask import Response, request
from sqlalchemy import String, select

from latchkey import clients
from latchkey.clients import Client
from latchkey.db import db
from latchkey.redirects import LOOPBACK

PREFLIGHT_SECONDS = "600"


def origin_of(uri: str) -> str | None:
    """The origin of a redirect URI's pages; None for a private scheme."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else None


def allows(client: Client, origin: str) -> bool:
    """Whether an origin is one of a public app's own (D-14): a browser app has no secret, so none else needs this."""
    if client.confidential or client.suspended_at is not None:
        return False
    return any(_same(origin_of(uri), origin) for uri in client.redirect_uris)


def _same(ours: str | None, theirs: str) -> bool:
    if ours == theirs:
        return True
    if ours is None:
        return False
    # RFC 8252 §7.3: the port of a loopback redirect is chosen when the app runs.
    host, sent = urlsplit(ours), urlsplit(theirs)
    loopback = (host.hostname is not None and host.netloc.rsplit(":", 1)[0] in LOOPBACK) or host.netloc in LOOPBACK
    return loopback and (host.scheme, host.hostname) == (sent.scheme, sent.hostname)


def _somebodys(origin: str) -> bool:
    """Whether any public app has this origin: a preflight does not say whose it is."""
    host = origin.partition("://")[2].rsplit(":", 1)[0]
    statement = select(Client).where(
        Client.confidential.is_(False), Client.redirect_uris.cast(String).contains(host, autoescape=True)
    )
    return bool(host) and any(allows(client, origin) for client in db.scalars(statement))


def for_apps(view: Callable[[], Response]) -> Callable[[], Response]:
    """The answer may be read by pages of the app that asks, without cookies."""

    @wraps(view)
    def answer() -> Response:
        response = view()
        origin = request.headers.get("Origin")
        if origin is not None:
            response.vary.add("Origin")
            client = clients.find(request.form.get("client_id", ""))
            if client is not None and _safely(allows, client, origin):
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = "Retry-After, WWW-Authenticate, X-Request-Id"
        return response

    return answer


def _safely(question: Callable[..., bool], *about: object) -> bool:
    try:
        return question(*about)
    except ValueError:
        # No URL parser makes sense of this origin, so it is nobody's.
        return False


def preflight() -> Response:
    """The answer to a browser that asks beforehand."""
    response = Response(status=204)
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if _safely(_somebodys, origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Accept"
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def for_everybody(response: Response) -> Response:
    """What is public may be read by pages of any origin (G-03)."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response

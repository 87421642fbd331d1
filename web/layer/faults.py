"""Answers made without the application, and how a fault is logged: where it was, never with what input."""

import json
import logging
import traceback
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from latchkey import origin, settings
from web import encoding, problems

log = logging.getLogger("latchkey.web")

# Gateways turn what they do not understand into a 500: whatever is wrong here, they are told no (H-11).
GATEWAYS = "/oauth/check"
NOT_NOW = ("WWW-Authenticate", 'Bearer realm="api", error="temporarily_unavailable"')
# Endpoints whose callers are programs that read RFC 6749 §5.2; and everything that programs read.
OAUTH = (
    *("/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/register", "/oauth/device_authorization"),
    *("/oauth/endings", GATEWAYS),
)
MACHINES = ("/v1/", "/mcp", "/.well-known/", *OAUTH)
REFUSALS = {
    "400 Bad Request": ("We could not read that", "The request broke off before it was complete. Try again."),
    "400 Unreadable Header": ("We could not read that", "Where the request comes from is not in ASCII."),
    "408 Request Timeout": ("That took too long", "The request did not arrive in time. Try again."),
    "413 Content Too Large": ("That came in too many parts", "Send the same in fewer and larger parts."),
    "414 URI Too Long": ("This address is too long", "Shorten the address and try again."),
    "431 Request Header Fields Too Large": (
        "The headers are too large",
        "Send fewer or shorter headers; in a browser, clear the cookies of this site and try again.",
    ),
    "503 Service Unavailable": ("Back in a moment", "Too much is being sent here just now. Try again in a minute."),
}
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><main><h1>{title}</h1><p>{text}</p></main></html>"
)


def describe(error: BaseException) -> list[str]:
    """The fault and its causes, each with the lines it passed. Messages may hold what people sent: development only."""
    told: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        message = f": {at}" if settings.current().development else ""
        told.append(f"{type(at).__module__}.{type(at).__qualname__}{message}")
        told.extend(line.strip() for line in traceback.format_tb(at.__traceback__))
        at = at.__cause__ or at.__context__
    return told


def report(error: BaseException) -> None:
    """Log a fault of the request at hand as one line of JSON."""
    told = {"level": "error", "request_id": origin.current.get().request_id, "fault": describe(error)}
    log.error("%s", json.dumps(told))


def oauth_error(status: int, title: str, text: str) -> dict[str, str]:
    """RFC 6749 §5.2, for what is refused before anybody looks at what was asked."""
    error = "invalid_request" if status < 500 else "temporarily_unavailable" if status == 503 else "server_error"
    return {"error": error, "error_description": f"{title}. {text}"}


def _plain(environ: WSGIEnvironment, start: StartResponse, status: str, title: str, text: str) -> Iterable[bytes]:
    path, private = environ.get("PATH_INFO", ""), [("Cache-Control", "no-store")]
    if path == GATEWAYS:
        status, body, kind = "403 Forbidden", b"", "text/plain; charset=utf-8"
        private.append(NOT_NOW)
    elif path.startswith(OAUTH):
        body, kind = json.dumps(oauth_error(int(status[:3]), title, text)).encode(), "application/json"
        private.append(("Pragma", "no-cache"))
    elif path.startswith(MACHINES):
        problem = problems.document(path, int(status[:3]), title, text, origin.current.get().request_id)
        body, kind = encoding.readable(problem), "application/problem+json"
    else:
        body, kind = PAGE.format(title=title, text=text).encode(), "text/html; charset=utf-8"
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *private])
    return [body]


def unhandled(error: Exception, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """The answer to a request whose fault nobody handled."""
    report(error)
    reference = origin.current.get().request_id
    text = f"Your tokens are not affected. Try again; if it stays, tell the operator this reference: {reference}."
    return _plain(environ, start, "500 Internal Server Error", "Something broke on our side", text)


def refused(environ: WSGIEnvironment, start: StartResponse, status: str) -> Iterable[bytes]:
    """The answer to what is refused before the application is asked, by a status of `REFUSALS`."""
    return _plain(environ, start, status, *REFUSALS[status])

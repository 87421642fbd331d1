"""What a WSGI application is told of a request that came through the server's asynchronous interface (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any, Protocol
from wsgiref.types import WSGIEnvironment

# These stand under a name of their own, without HTTP_.
CONTENT = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
ALIKE: WSGIEnvironment = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


# A line of a header that is no ASCII granian leaves out, and says no more than that there was one. These must not be as
# if they had not come: with what a stranger wrote there goes what a proxy wrote behind it.
HEARD = {"x-forwarded-for": "HTTP_X_FORWARDED_FOR", "idempotency-key": "HTTP_IDEMPOTENCY_KEY"}
# What stands for one: nothing that could be meant.
UNREADABLE = "\xff"

# Nobody's is as long; names are the caller's, and some hundred of them are remembered.
LONGEST_NAME = 100


class LongName(Exception):
    """The name of a header that is not passed on."""


class Scope(Protocol):
    """The head of a request, as granian gives it: each look at its headers copies all of them."""

    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: Any


@lru_cache(maxsize=512)
def _key(name: str) -> str | None:
    """The variable that holds a header. None: it is not passed on. Raises `LongName`: that is not remembered."""
    if len(name) > LONGEST_NAME:
        raise LongName
    if "_" in name:
        # Another header's variable would hold it as well: `X_Forwarded_For` is not `X-Forwarded-For`.
        return None
    upper = name.upper().replace("-", "_")
    return upper if upper in CONTENT else f"HTTP_{upper}"


def _latin(text: str) -> str:
    """PEP 3333: bytes that are no ASCII arrive as Latin-1."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


@lru_cache(maxsize=64)
def _alike(version: str, address: str, scheme: str) -> WSGIEnvironment:
    """The variables that requests have in common which speak one version of HTTP to one address of ours."""
    host, _, port = address.rpartition(":")
    own = {"SERVER_PROTOCOL": f"HTTP/{version}", "SERVER_NAME": host.strip("[]"), "SERVER_PORT": port}
    return ALIKE | own | {"wsgi.url_scheme": scheme}


def environ_of(scope: Scope, headers: Any) -> WSGIEnvironment:
    """The variables of a request with these headers, without its body."""
    environ = _alike(scope.http_version, scope.server, scope.scheme).copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = _latin(scope.path)
    environ["QUERY_STRING"] = _latin(scope.query_string)
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    for name, text in headers.items():
        try:
            key = _key(name)
        except LongName:
            continue
        if key is not None:
            # RFC 9110 §5.2: lines of one name are one list; RFC 6265: cookies are parted otherwise.
            environ[key] = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{text}" if key in environ else text
    for name, key in HEARD.items():
        if key not in environ and name in headers:
            environ[key] = UNREADABLE
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    return environ

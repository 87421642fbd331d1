"""Where a request comes from: what as many proxies as the operator trusts say of it, counted from the right.

What stands further left was sent by whoever asks. So a list is cut at its commas alone: were quotes heeded, an open one
from a stranger would swallow what a proxy wrote, and move the place that is believed.
"""

from functools import lru_cache
from wsgiref.types import WSGIEnvironment

from latchkey import addresses, texts
from latchkey.origin import Origin

SCHEMES = ("http", "https")
LONGEST_AGENT = 200


def _said(environ: WSGIEnvironment, header: str, trusted: int) -> str:
    parts: list[str] = environ.get(header, "").rsplit(",", trusted)[-trusted:]
    return parts[0].strip(" \t") if len(parts) == trusted else ""


def caller(environ: WSGIEnvironment, trusted: int) -> str:
    """The address of who asks."""
    said = addresses.parse(_said(environ, "HTTP_X_FORWARDED_FOR", trusted)) if trusted else ""
    return said or addresses.parse(environ.get("REMOTE_ADDR", ""))


def believed(environ: WSGIEnvironment, trusted: int, request_id: str) -> Origin:
    """Who asks: caller and scheme are those that the trusted proxies name, if they are any; else the proxy's own.

    A forwarded host is never believed: absolute addresses come from the settings alone.
    """
    agent = _agent(environ.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT])
    if not trusted:
        address = environ["REMOTE_ADDR"] = addresses.parse(environ.get("REMOTE_ADDR", ""))
        return Origin(address, agent, request_id)
    said = addresses.parse(_said(environ, "HTTP_X_FORWARDED_FOR", trusted))
    address = environ["REMOTE_ADDR"] = said or addresses.parse(environ.get("REMOTE_ADDR", ""))
    if (scheme := _said(environ, "HTTP_X_FORWARDED_PROTO", trusted)) in SCHEMES:
        environ["wsgi.url_scheme"] = scheme
    return Origin(address, agent, request_id, forwarded=said)


@lru_cache(maxsize=512)
def _agent(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    # PEP 3333: header bytes arrive as Latin-1.
    return texts.printable(text.encode("latin-1", "replace").decode("utf-8", "replace"), LONGEST_AGENT)

"""Where a request comes from: what as many proxies as the operator trusts say of it, counted from the right.

What stands further left was sent by whoever asks. So a list is cut at its commas alone: were quotes heeded, an open one
from a stranger would swallow what a proxy wrote, and move the place that is believed.
"""

from wsgiref.types import WSGIEnvironment

from latchkey import addresses, texts
from latchkey.origin import Origin

SCHEMES = ("http", "https")
LONGEST_AGENT = 200
# In the environ: the address that the trusted proxies name; empty where there are none, or what came is no address.
FORWARDED = "latchkey.forwarded"


def _said(environ: WSGIEnvironment, header: str, trusted: int) -> str:
    parts: list[str] = environ.get(header, "").rsplit(",", trusted)[-trusted:]
    return parts[0].strip(" \t") if len(parts) == trusted else ""


def believe(environ: WSGIEnvironment, trusted: int) -> None:
    """Let caller and scheme be those that the trusted proxies name; what is no address counts as the proxy's own.

    A forwarded host is never believed: absolute addresses come from the settings alone.
    """
    said = addresses.parse(_said(environ, "HTTP_X_FORWARDED_FOR", trusted)) if trusted else ""
    environ[FORWARDED] = said
    environ["REMOTE_ADDR"] = said or addresses.parse(environ.get("REMOTE_ADDR", ""))
    if trusted and (scheme := _said(environ, "HTTP_X_FORWARDED_PROTO", trusted)) in SCHEMES:
        environ["wsgi.url_scheme"] = scheme


def origin(environ: WSGIEnvironment, request_id: str) -> Origin:
    """Who asks, once it was settled whom to believe about that."""
    agent = _agent(environ.get("HTTP_USER_AGENT", ""))
    return Origin(environ["REMOTE_ADDR"], agent, request_id, forwarded=environ[FORWARDED])


def _agent(text: str) -> str:
    text = text[:LONGEST_AGENT]
    if text.isascii() and text.isprintable():
        return text
    # PEP 3333: header bytes arrive as Latin-1.
    return texts.printable(text.encode("latin-1", "replace").decode("utf-8", "replace"), LONGEST_AGENT)

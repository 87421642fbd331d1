"""Where a request comes from: what as many proxies as the operator trusts say of it, counted from the right.

What stands further left was sent by whoever asks. So a list is cut at its commas alone: were quotes heeded, an open one
from a stranger would swallow what a proxy wrote, and move the place that is believed.
"""

from wsgiref.types import WSGIEnvironment

from latchkey import addresses, texts
from latchkey.origin import Origin

SCHEMES = ("http", "https")
LONGEST_AGENT = 200


def _said(environ: WSGIEnvironment, header: str, trusted: int) -> str:
    parts: list[str] = environ.get(header, "").rsplit(",", trusted)[-trusted:]
    return parts[0].strip(" \t") if len(parts) == trusted else ""


def believed(environ: WSGIEnvironment, trusted: int, request_id: str) -> Origin:
    """Who asks: caller and scheme are those that the trusted proxies name, if they are any; else the proxy's own.

    A forwarded host is never believed: absolute addresses come from the settings alone.
    """
    said = addresses.parse(_said(environ, "HTTP_X_FORWARDED_FOR", trusted)) if trusted else ""
    address = environ["REMOTE_ADDR"] = said or addresses.parse(environ.get("REMOTE_ADDR", ""))
    if trusted and (scheme := _said(environ, "HTTP_X_FORWARDED_PROTO", trusted)) in SCHEMES:
        environ["wsgi.url_scheme"] = scheme
    return Origin(address, _agent(environ.get("HTTP_USER_AGENT", "")), request_id, forwarded=said)


def _agent(text: str) -> str:
    text = text[:LONGEST_AGENT]
    if text.isascii() and text.isprintable():
        return text
    # PEP 3333: header bytes arrive as Latin-1.
    return texts.printable(text.encode("latin-1", "replace").decode("utf-8", "replace"), LONGEST_AGENT)

"""The answers of the protocol: redirects back to an app, and the JSON that programs read."""

from collections.abc import Mapping
from urllib.parse import quote

from authlib.oauth2.rfc6749 import AccessDeniedError
from flask import Response

from latchkey import settings
from web import encoding
from web.calls import Reply

_encode = encoding.compact(ascii_only=True, separators=(", ", ": "))
# D-09: no cache keeps it.
PRIVATE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
JSON = ("Content-Type", "application/json")


class Denied(AccessDeniedError):
    """RFC 6749 §4.1.2.1, RFC 8628 §3.5: the person who was asked said no."""

    description = "The person did not agree."


def extended(uri: str, parameters: Mapping[str, str]) -> str:
    """A registered URI with more query parameters, every byte of it kept (B-18)."""
    joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return uri + joint + "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def to_app(uri: str, state: str | None, **parameters: str) -> Response:
    """Lead the browser back to the app. 303 in answer to a POST, too (B-12); `iss` is RFC 9207's."""
    if state is not None:
        parameters["state"] = state
    return lead(extended(uri, parameters | {"iss": settings.current().base_url}))


def lead(location: str) -> Response:
    """Lead the browser to an address that was put together here."""
    response = Response(status=303)
    # Not through Flask's own redirect, which would rewrite the bytes of a private-use scheme.
    response.autocorrect_location_header = False
    response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    return response


def as_json(status: int, body: object, *headers: tuple[str, str]) -> Reply:
    """JSON that no cache keeps."""
    return Reply(status, _encode(body).encode(), [JSON, *headers], PRIVATE)


def granted(body: object) -> Reply:
    """A successful answer; a `str` is JSON already."""
    text = body if isinstance(body, str) else _encode(body)
    return Reply(200, text.encode(), [JSON], PRIVATE)

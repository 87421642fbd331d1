"""What the API answers with: JSON, moments, tags that say whether something changed, and pages of lists."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from latchkey import clock
from latchkey.clock import Kept
from web import encoding
from web.calls import Reply

_encode = encoding.compact()
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
EXPOSED = (
    "Access-Control-Expose-Headers",
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
)
# H-09: an answer to one token is not for another. Browser apps call from any origin, without cookies.
PRIVATE = [("Cache-Control", "no-store"), ("Vary", "Authorization"), ANY_ORIGIN, EXPOSED]
# The same for everybody.
PUBLIC = [("Cache-Control", "public, max-age=300"), ANY_ORIGIN, EXPOSED]
JSON = ("Content-Type", "application/json")


def moment(at: datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC."""
    return None if at is None else clock.rfc3339(at, "auto")


def kept(moment: Kept | None) -> str | None:
    """The same of one that was left as the database keeps it."""
    return None if moment is None else clock.told(moment)


def encode(data: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8."""
    return _encode(data).encode()


def tag(body: bytes) -> str:
    """An ETag that changes with the body (RFC 9110 §8.8.3)."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def shown(data: Mapping[str, Any] | bytes, fixed: list[tuple[str, str]] = PRIVATE) -> Reply:
    """The answer to a read, with the tag by which it is asked for again; bytes are JSON already."""
    body = data if isinstance(data, bytes) else encode(data)
    return Reply(200, body, [JSON, ("ETag", tag(body))], fixed)


def changed(data: Mapping[str, Any] | bytes, status: int = 200, **headers: str) -> Reply:
    """What was made or changed, as it is now; nobody may keep it. Bytes are JSON already."""
    return Reply(status, data if isinstance(data, bytes) else encode(data), [JSON, *headers.items()], PRIVATE)


def empty(status: int) -> Reply:
    """An answer without a body, such as to a removal."""
    return Reply(status, b"", [], PRIVATE)

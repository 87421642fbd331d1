"""What strings of another system look like, and the row of that system that one names."""

import base64
import binascii
import json
from typing import Any, NamedTuple

from latchkey import credentials

LONGEST_ID = 200
# A token in three parts, signed; Passport's are such (RFC 7519).
SIGNED_PARTS = 3
SEPARATORS = ".|"


class Named(NamedTuple):
    """The row that a string names, as it is kept, and what of the string proves it."""

    name: bytes
    key: str


def name(how: str, row: str) -> bytes:
    """What is kept of the name of a row: `how` says by what strings name it, `jti` or `id`."""
    return credentials.digest(f"{how}:{row}")


def named(text: str) -> Named | None:
    """The row that a string names: a signed one by its `jti`, one such as `id.key` or `id|key` by what comes first."""
    if text.startswith("eyJ") and text.count(".") == SIGNED_PARTS - 1:
        row = _jti(text)
        return Named(name("jti", row), text) if row else None
    at = next((place for place, sign in enumerate(text[: LONGEST_ID + 1]) if sign in SEPARATORS), 0)
    return Named(name("id", text[:at]), text[at + 1 :]) if at and at + 1 < len(text) else None


def _jti(text: str) -> str:
    payload = text.split(".")[1]
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    row = claims.get("jti") if isinstance(claims, dict) else None
    return row if isinstance(row, str) and 0 < len(row) <= LONGEST_ID else ""

"""JSON that somebody else wrote, read so that no two readers of it see different things."""

import json
from typing import Any, NoReturn


class NotAnObject(ValueError):
    """The text is no JSON object, or one that two readers could take differently."""


class NotJson(NotAnObject):
    """The text is no JSON at all, or a name comes twice in it."""


def read_object(body: bytes) -> dict[str, Any]:
    """The one object that a text holds. Raises `NotAnObject`."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotJson from None
    if not isinstance(found, dict):
        raise NotAnObject
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("no number of JSON")

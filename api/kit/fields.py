"""The fields that bodies of requests have: how each is read, and how the OpenAPI document describes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from latchkey import scopes, texts
from latchkey.tokens import lifetimes
from latchkey.tokens import ranges as token_ranges

# Names, not different ones.
MOST_SCOPES = 1_000
_LINE = re.compile(texts.PATTERN)
# RFC 3339 §5.6, with no more of a second than is kept.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Wrong(Exception):
    """A value cannot be taken; the message says what can."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `read` gives what it means or raises `Wrong`; `schema` is asked anew, since settings may bound it."""

    schema: Callable[[], dict[str, Any]]
    read: Callable[[Any], Any]
    example: Any
    required: bool = False


def line(about: str, *, longest: int, example: str, required: bool = False) -> Field:
    """One line of text."""

    def read(value: Any) -> str:
        try:
            kept = texts.line(value, longest)
        except texts.BadText as error:
            raise Wrong(str(error)) from None
        if not _LINE.fullmatch(value):
            raise Wrong("Leave out control characters, at the ends too.")
        return kept

    schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": texts.PATTERN, "description": about}
    return Field(lambda: schema, read, example, required)


def address(about: str, *, longest: int, pattern: str, example: str) -> Field:
    """A web address, or an empty text; what it may be is the verb's to say."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("Write an address, or an empty text.")
        return value

    schema = {"type": "string", "maxLength": longest, "pattern": f"^(?:{pattern})?$", "description": about}
    return Field(lambda: schema, read, example)


def _strings(value: Any, most: int) -> list[str]:
    if not isinstance(value, list):
        raise Wrong("Write a list of texts.")
    if not value:
        raise Wrong("Name at least one.")
    if len(value) > most:
        raise Wrong(f"Name at most {most:,}.")
    if not all(isinstance(item, str) for item in value):
        raise Wrong("Write a list of texts.")
    return value


def strings(about: str, *, most: int, example: list[str], **item: Any) -> Field:
    """A list of at least one text; what each may be is the verb's to say, and `item` says it in its schema."""

    def schema() -> dict[str, Any]:
        items = {"type": "string", **item}
        return {"type": "array", "minItems": 1, "maxItems": most, "items": items, "description": about}

    return Field(schema, lambda value: _strings(value, most), example, required=True)


def scope_names(about: str, *, example: list[str], without: frozenset[str] = frozenset(), least: int = 1) -> Field:
    """Scopes of the catalogue, at least so many; `without` are those that only few may name."""

    def schema() -> dict[str, Any]:
        names = [name for name in scopes.catalogue() if name not in without]
        items = {"type": "string", "enum": names}
        return {"type": "array", "minItems": least, "maxItems": MOST_SCOPES, "items": items, "description": about}

    def read(value: Any) -> frozenset[str]:
        if value == [] and not least:
            return frozenset()
        try:
            return scopes.check(_strings(value, MOST_SCOPES))
        except scopes.UnknownScope:
            raise Wrong("invalid_scope: one of these is not in the catalogue, which GET /v1/scopes lists.") from None

    return Field(schema, read, example, required=least > 0)


def flag(about: str, *, example: bool) -> Field:
    """True or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise Wrong("Write true or false.")
        return value

    return Field(lambda: {"type": "boolean", "default": True, "description": about}, read, example)


def key_set(about: str) -> Field:
    """A set of public keys, or null for none; what it may hold is the verb's to say."""

    def read(value: Any) -> dict[str, Any] | None:
        if value is not None and not isinstance(value, dict):
            raise Wrong("Write an object with a list of keys, or null.")
        return value

    return Field(lambda: {"type": ["object", "null"], "description": about}, read, None)


def maybe_address(about: str, longest: int) -> Field:
    """A web address, or null for none."""

    def read(value: Any) -> str | None:
        if value is not None and (not isinstance(value, str) or len(value) > longest):
            raise Wrong(f"Write an address of at most {longest} characters, or null.")
        return value

    schema = {"type": ["string", "null"], "maxLength": longest, "description": about}
    return Field(lambda: schema, read, None)


def days(about: str, *, example: int) -> Field:
    """A number of days, or null for no end where this installation allows that."""

    def schema() -> dict[str, Any]:
        kind: Any = ["integer", "null"] if lifetimes.endless() else "integer"
        return {"type": kind, "minimum": 1, "maximum": lifetimes.longest(), "description": about}

    def read(value: Any) -> int | None:
        endless, most = lifetimes.endless(), lifetimes.longest()
        if value is None and endless:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
            raise Wrong("Write a whole number of days, or null." if endless else "Write a whole number of days.")
        if not 1 <= value <= most:
            raise Wrong(f"Write a number from 1 to {most}.")
        return int(value)

    return Field(schema, read, example)


def number(about: str, *, least: int, most: int, example: int) -> Field:
    """A whole number."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 or not least <= value <= most:
            raise Wrong(f"Write a whole number from {least} to {most}.")
        return int(value)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": least, "description": about}
    return Field(lambda: schema, read, example)


def moment(about: str, *, example: str) -> Field:
    """A moment as RFC 3339 writes it."""

    def read(value: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise Wrong("Write a moment such as 2027-01-21T14:41:07Z.")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Wrong("There is no such moment.") from None

    schema = {"type": "string", "format": "date-time", "description": about}
    return Field(lambda: schema, read, example)


def ranges(about: str, *, example: list[str]) -> Field:
    """Addresses and ranges, in one spelling; none means any."""

    def read(value: Any) -> list[str]:
        if value == []:
            return []
        try:
            return (token_ranges.check(_strings(value, token_ranges.MOST)) or "").split()
        except token_ranges.BadRange as error:
            raise Wrong(str(error)) from None

    items = {"type": "string", "maxLength": token_ranges.LONGEST, "format": "ip-network"}
    schema = {"type": "array", "maxItems": token_ranges.MOST, "items": items, "description": about}
    return Field(lambda: schema, read, example)

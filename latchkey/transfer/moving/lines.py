"""A file of JSON lines, read a line at a time with its number; what is wrong with one is said and the rest goes on."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple

LONGEST = 1 << 20


class BadLine(Exception):
    """A line, or what it tells of, is left out; the text says why."""


class Line(NamedTuple):
    """One line by its number, the first being 1: what it holds, or why it cannot be read."""

    number: int
    value: dict[str, Any]
    fault: str = ""


def read(file: BinaryIO) -> Iterator[Line]:
    """Every line that is not blank, from the beginning."""
    file.seek(0)
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
            yield Line(number, {}, f"longer than {LONGEST:,} bytes")
        elif line.strip(b" \t\r\n\xef\xbb\xbf"):
            yield _parsed(number, line)


def _parsed(number: int, line: bytes) -> Line:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return Line(number, {}, "no JSON")
    return Line(number, value) if isinstance(value, dict) else Line(number, {}, "no JSON object")


def text(value: dict[str, Any], name: str, longest: int = 4_000) -> str:
    """A field of text; empty when it is not there. Numbers are taken as they are written. Raises `BadLine`."""
    found = value.get(name)
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise BadLine(f"{name} is no text")
    written = str(found)
    if len(written) > longest or "\x00" in written or not _sound(written):
        raise BadLine(f"{name} is longer than {longest:,} characters, or no text")
    return written


def _sound(written: str) -> bool:
    try:
        written.encode()
    except UnicodeEncodeError:
        return False
    return True


def needed(value: dict[str, Any], name: str, longest: int = 4_000) -> str:
    """The same, and it has to be there."""
    found = text(value, name, longest)
    if not found:
        raise BadLine(f"{name} is missing")
    return found


def flag(value: dict[str, Any], name: str, *, default: bool = False) -> bool:
    """A field that is true or false, as databases write it. Raises `BadLine`."""
    found = value.get(name)
    known = {True: True, False: False, "t": True, "f": False, "true": True, "false": False, "1": True, "0": False}
    if found is None or found == "":
        return default
    if isinstance(found, list | dict) or found not in known:
        raise BadLine(f"{name} is neither true nor false")
    return known[found]


def texts(value: dict[str, Any], name: str) -> list[str]:
    """A field of several texts: a list, JSON within a text, or words with spaces between them. Raises `BadLine`."""
    found = value.get(name)
    if isinstance(found, str):
        written = text(value, name, LONGEST)
        try:
            found = json.loads(written) if written.startswith("[") else written.split()
        except (ValueError, RecursionError):
            raise BadLine(f"{name} is no list") from None
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) and _sound(each) for each in found):
        raise BadLine(f"{name} is no list of texts")
    return found


def moment(value: dict[str, Any], name: str) -> datetime | None:
    """A field that is a moment in ISO form, in UTC where it names no zone; None when it is not there."""
    written = text(value, name, 40)
    if not written:
        return None
    try:
        found = datetime.fromisoformat(written.removesuffix(" UTC"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadLine(f"{name} is no moment such as 2027-01-31T12:00:00Z") from None

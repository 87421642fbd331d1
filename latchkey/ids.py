"""Opaque ids of records and requests."""

import os
import re
import secrets
from datetime import datetime
from itertools import count

from latchkey import clock

AT_A_TIME = 64
DIGITS, LENGTH = "[0-9a-f]{28}", 28
FORM = f"[a-z]{{3}}_{DIGITS}"

_FORM = re.compile(FORM, re.ASCII)

# Drawn from the system many at a time: each call to it lets the threads that wait for the interpreter in between.
# Nothing that must stay unknown is made of them.
_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)

_sequence = count()


def draw() -> str:
    """64 random bits as 16 hexadecimal digits."""
    try:
        return _drawn.pop()
    except IndexError:
        digits = secrets.token_hex(8 * AT_A_TIME)
        _drawn.extend(digits[at : at + 16] for at in range(16, len(digits), 16))
        return digits[:16]


def new_id(prefix: str) -> str:
    """An opaque id such as tok_…: time and a sequence number, so that ids sort by creation, and 48 random bits."""
    return f"{first(prefix, clock.now())}{next(_sequence) & 0xFFFF:04x}{draw()[:12]}"


def first(prefix: str, moment: datetime) -> str:
    """What sorts before every id that was made at this moment or later, and behind those made before."""
    return f"{prefix}_{int(moment.timestamp() * 1000):012x}"


def is_id(text: str, prefix: str | None = None) -> bool:
    """Whether this has the form of an id, of one kind or of any: looked at before the database is asked for it."""
    if prefix is None:
        return bool(_FORM.fullmatch(text))
    kind, _, digits = text.partition("_")
    return kind == prefix and are_digits(digits)


def are_digits(text: str) -> bool:
    """Whether this is what an id has behind its prefix, which cursors are."""
    return len(text) == LENGTH and not text.strip("0123456789abcdef")

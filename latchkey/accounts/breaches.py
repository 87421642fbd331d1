"""Passwords that were stolen elsewhere: the commonest, which are shipped, and a list of the operator's own.

The shipped ones are the sorted beginnings of their SHA-256, made by tools/leaked_passwords.py. The operator's list lies
in the instance folder: one upper-case SHA-1 in hexadecimal a line, in order, each with whatever follows after a colon,
as Have I Been Pwned offers its whole list. Nothing is asked over the network.
"""

from bisect import bisect_left
from functools import cache
from hashlib import sha1, sha256
from pathlib import Path
from typing import BinaryIO

from latchkey import settings

FILE = "breached-passwords.txt"
DIGITS = 40
SHIPPED = Path(__file__).parent / "leaked-passwords.bin"
# Of so many bytes, one of 25 million passwords that nobody leaked is taken for one of those that are shipped.
PREFIX = 5


def prefix(password: str) -> bytes:
    """What stands for a password in the shipped filter, whatever the case of its letters."""
    return sha256(password.lower().encode("utf-8", "surrogatepass")).digest()[:PREFIX]


@cache
def _shipped() -> bytes:
    return SHIPPED.read_bytes()


def common(password: str) -> bool:
    """Whether this is one of the commonest leaked passwords."""
    known, wanted = _shipped(), prefix(password)
    places = range(len(known) // PREFIX)
    at = bisect_left(places, wanted, key=lambda place: known[PREFIX * place : PREFIX * (place + 1)])
    return known[PREFIX * at : PREFIX * (at + 1)] == wanted


def holds(password: str) -> bool:
    """Whether the operator's list has this password; without a list it has none."""
    # SHA-1 is the list's, and keeps nothing secret here.
    digest = sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    wanted = digest.hexdigest().upper().encode()
    try:
        with _path().open("rb") as file:
            return _found(file, wanted)
    except FileNotFoundError:
        return False


def _path() -> Path:
    return settings.current().instance / FILE


def _found(file: BinaryIO, wanted: bytes) -> bool:
    """Halve the part of the file in which the line can begin, until there is none."""
    low, high = 0, file.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        file.seek(max(0, middle - 1))
        if middle:
            file.readline()  # to the beginning of a line at or after the middle
        line = file.readline()[:DIGITS].upper()
        if line == wanted:
            return True
        if line and line < wanted:
            low = middle + 1
        else:
            high = middle
    return False

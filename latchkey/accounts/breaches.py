"""Passwords that were stolen elsewhere: a list that the operator may lay into the instance folder.

One upper-case SHA-1 in hexadecimal a line, in order, each with whatever follows after a colon: as Have I Been Pwned
offers its whole list. Nothing is asked over the network.
"""

from hashlib import sha1
from pathlib import Path
from typing import BinaryIO

from latchkey import settings

FILE = "breached-passwords.txt"
DIGITS = 40


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

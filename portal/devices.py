"""Browsers that people signed in with before, so that a stranger who guesses cannot lock them out (L-05).

A cookie names, under our signature, the accounts that this browser has opened. Tries from it are counted by
themselves: those of everybody else neither slow it down nor are slowed down by it.
"""

from datetime import timedelta
from hashlib import sha256

from werkzeug.wrappers import Response

from latchkey import credentials, users
from portal import cookies

COOKIE = "device"
KEPT = timedelta(days=400)
MOST_ACCOUNTS = 8


def _mark(email: str) -> str:
    return sha256(users.key(email).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _read() -> tuple[str, list[str]]:
    device, accounts = cookies.read(COOKIE, KEPT) or ("", ())
    return str(device), list(accounts)


def known(email: str) -> str | None:
    """The name of this browser, if it has signed in to this account before."""
    device, accounts = _read()
    return device if _mark(email) in accounts else None


def remember(response: Response, email: str) -> None:
    """Let this browser be known from now on."""
    device, accounts = _read()
    mark = _mark(email)
    kept = [mark, *(other for other in accounts if other != mark)][:MOST_ACCOUNTS]
    cookies.write(response, COOKIE, [device or credentials.opaque(), kept], KEPT)

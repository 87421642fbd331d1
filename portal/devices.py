"""Browsers that people signed in with before, so that a stranger who guesses cannot lock them out (L-05).

A cookie names, under our signature, the accounts that this browser has opened. Tries from it are counted by
themselves: those of everybody else neither slow it down nor are slowed down by it.
"""

from datetime import timedelta
from hashlib import sha256

from werkzeug.wrappers import Response

from latchkey import credentials, origin
from latchkey.accounts import users
from latchkey.accounts.limits import Asker
from latchkey.accounts.users import User
from portal import cookies

COOKIE = "device"
KEPT = timedelta(days=400)
MOST_ACCOUNTS = 8


def _mark(user: User, *, half: bool = False) -> str:
    # With another password, those who knew the one before are strangers again, in however many browsers.
    return sha256(f"{user.id} {user.epoch}{' half' * half}".encode()).hexdigest()[:24]


def _read() -> tuple[str, list[str]]:
    device, accounts = cookies.read(COOKIE, KEPT) or ("", ())
    return str(device), list(accounts)


def known(user: User | None) -> str | None:
    """The name of this browser, if it has signed in to this account with the present password."""
    device, accounts = _read()
    return device if user is not None and _mark(user) in accounts else None


def known_to_password(user: User | None) -> str | None:
    """The same where it is about the password alone, which a browser may have set without the second factor."""
    device, accounts = _read()
    marks = {_mark(user), _mark(user, half=True)} if user is not None else set[str]()
    return None if marks.isdisjoint(accounts) else device


def asker(email: str) -> Asker:
    """Who asks for a letter to an account. Who signed up with an address has not shown that it is theirs."""
    user = users.find_by_email(email)
    device = known(user)
    return Asker(origin.current.get().network, device, owner=device is not None and user is not None and user.verified)


def remember(response: Response, user: User, *, half: bool = False) -> None:
    """Let this browser be known from now on; `half`, as far as the password: tries at codes are those of a stranger."""
    device, accounts = _read()
    mark = _mark(user, half=half)
    kept = [mark, *(other for other in accounts if other != mark)][:MOST_ACCOUNTS]
    cookies.write(response, COOKIE, [device or credentials.opaque(), kept], KEPT)

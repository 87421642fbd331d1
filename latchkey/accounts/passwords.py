"""Passwords: what may be one, how it is kept, how it is checked."""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from nacl import pwhash
from nacl.exceptions import CryptoError

from latchkey import addresses, origin, settings
from latchkey.accounts import breaches
from latchkey.accounts.throttle import TooMany
from latchkey.loading import Late
from latchkey.store.session import rest
from latchkey.turns import few as turns
from latchkey.turns import heavy

if TYPE_CHECKING:
    import zxcvbn
else:
    zxcvbn = Late("zxcvbn")

SHORTEST, LONGEST = 12, 256
# One character can arrive as up to four (NFD). Longer than this, nothing is looked at.
LONGEST_TYPED = 4 * LONGEST
# Fewer guesses than this and a password is one of the common ones, or such a one with a number behind it.
LEAST_GUESSES = 100_000


class Cost(NamedTuple):
    """What a hash by Argon2id takes, in one lane."""

    passes: int
    kib: int


# OWASP: 19 MiB and two passes.
_cost = Cost(passes=2, kib=19_456)

# Of one account, whoever asks: each takes a core for long and a thread meanwhile, and right ones are not counted. With
# many in line, everybody else's forms waited for whoever had one account.
AT_ONCE = 8
SOON = 1

# zxcvbn reads "p4ssw0rd" in every way that its digits and signs can stand for letters. With many of them that takes
# seconds, so they are then read in one way only. What stands for what is zxcvbn's own table.
JUDGED = 24
MOST_READINGS = 8
STAND_INS = {
    "a": "4@",
    "b": "8",
    "c": "({[<",
    "e": "3",
    "g": "69",
    "i": "1!|",
    "l": "1|7",
    "o": "0",
    "s": "$5",
    "t": "+7",
    "x": "%",
    "z": "2",
}
LETTERS = str.maketrans({sign: letter for letter, signs in STAND_INS.items() for sign in signs})


Result = TypeVar("Result")


class WeakPassword(Exception):
    """A password may not be used; the message says why."""


# Of what a guesser tries first no more is looked at.
LONGEST_KNOWN = 256
MOST_PARTS = 2


def _composed(password: str) -> str:
    return unicodedata.normalize("NFC", password[:LONGEST_TYPED])


def _encoded(composed: str) -> bytes:
    return composed.encode("utf-8", "surrogatepass")


def _quickly_judged(password: str) -> str:
    readings = prod(max(1, sum(sign in password for sign in signs)) for signs in STAND_INS.values())
    return password if readings <= MOST_READINGS else password.translate(LETTERS)


def check(password: str, *, known: tuple[str, ...] = ()) -> None:
    """Whether this may become a password. `known` are words a guesser tries first. Raises `WeakPassword`."""
    composed = _composed(password)
    if len(password) > LONGEST_TYPED or len(composed) > LONGEST:
        raise WeakPassword(f"Use at most {LONGEST} characters.")
    if len(composed) < SHORTEST:
        raise WeakPassword(f"Use at least {SHORTEST} characters.")
    here = settings.current()
    host = urlsplit(here.base_url).hostname or ""
    cut = [text[:LONGEST_KNOWN] for text in (*known, here.brand_name, *host.split("."))]
    words = [word for text in cut for word in (text, *text.split("@", MOST_PARTS)) if word]
    if zxcvbn.zxcvbn(_quickly_judged(composed[:JUDGED]), user_inputs=words)["guesses"] < LEAST_GUESSES:
        raise WeakPassword("This password is too easy to guess. A few words that do not belong together are better.")
    if breaches.common(composed) or breaches.holds(composed):
        raise WeakPassword("This password was stolen from another site, and is tried here too. Choose another.")


def _worked(work: Callable[[], Result]) -> Result:
    # Whoever waits for a hash has as many before them as ask: no connection waits with each.
    rest()
    return heavy.run(work, addresses.place(origin.current.get().address))


@contextmanager
def few(whose: str) -> Iterator[None]:
    """Look at a password of an account, of which few are looked at at a time. Raises `TooMany`."""
    try:
        with turns.of(whose, AT_ONCE):
            yield
    except turns.Busy:
        raise TooMany(SOON) from None


def hash(password: str) -> str:
    """Argon2id in PHC form."""
    encoded = _encoded(_composed(password))
    return _worked(lambda: _hashed(encoded))


def prepare(password: str, *, known: tuple[str, ...], whose: str) -> str:
    """The hash of somebody's next password, before anything is written: what is written others wait for.

    Not among the few that are looked at: while strangers guess, a new password is the way in. Raises as `check`, `few`.
    """
    with few(f"next {whose}"):
        check(password, known=known)
        return hash(password)


def _hashed(encoded: bytes) -> str:
    return pwhash.argon2id.str(encoded, opslimit=_cost.passes, memlimit=_cost.kib * 1024).decode()


@cache
def _nobodys() -> str:
    return _hashed(b"nobody has this password")


# Stands for a password that was ended: whoever has the account chooses another one.
ENDED = "ended"
# Of somebody who signs in by other ways alone.
NONE = ""


def usable(stored: str) -> bool:
    """Whether a stored password is a way in."""
    return stored not in (NONE, ENDED) and settings.current().passwords == "on"


def verify(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one; none is where passwords are off (LATCHKEY_PASSWORDS).

    None takes as long as a wrong one: nobody learns who has an account.
    """
    composed = _composed(password)
    known = stored if stored is not None and usable(stored) else None
    right = _worked(lambda: _fits(known or _nobodys(), _encoded(composed[:LONGEST])))
    return right and bool(known) and len(password) <= LONGEST_TYPED and len(composed) <= LONGEST


def _fits(stored: str, encoded: bytes) -> bool:
    try:
        return pwhash.argon2id.verify(stored.encode(), encoded)
    except CryptoError:
        # Another password, or no hash that anybody made.
        return False


def outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return not stored.startswith(f"$argon2id$v=19$m={_cost.kib},t={_cost.passes},p=1$")

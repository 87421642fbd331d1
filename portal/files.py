"""Files that somebody takes away: each is held whole until it is sent, so one of a person is made at a time."""

from collections.abc import Iterable

from latchkey.accounts.throttle import TooMany
from latchkey.turns import few as turns
from portal.guards import this_user

SOON = 5


def made(pieces: Iterable[str]) -> bytes:
    """A whole file of whoever is signed in. Raises `TooMany` while another one of theirs is made."""
    try:
        with turns.of(f"file {this_user().id}", 1):
            return b"".join(piece.encode() for piece in pieces)
    except turns.Busy:
        raise TooMany(SOON) from None

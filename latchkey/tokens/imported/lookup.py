"""Finds tokens of another system by what their strings are, in one statement.

What was kept of some is no digest of the whole string: it has to be proved by work that strangers must not be able to
ask for at will. So that is counted, waits for its turn among passwords, and is done once for a token: then it is known
as ours are.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import bindparam, or_, select

from latchkey import addresses, clock, credentials, origin
from latchkey.accounts import limits, throttle
from latchkey.accounts.throttle import Counter, Crowd, TooMany
from latchkey.credentials import Kind
from latchkey.store import prepared
from latchkey.store.prepared import PreparedSelect
from latchkey.store.session import db
from latchkey.tokens.bearer import Bearer
from latchkey.tokens.bearer.reading import selection
from latchkey.tokens.imported import forms, proofs
from latchkey.tokens.imported.record import ForeignSigner, ForeignToken, learn
from latchkey.tokens.record import Token
from latchkey.turns import heavy, waiting
from latchkey.values import Limit

BEARERS = (Kind.DEVELOPER, Kind.ACCESS)
# Limits of proofs (strings that name a row and are not proved yet): of one network, and of all together.
PROOFS = (Limit(20, timedelta(minutes=1)), Limit(200, timedelta(hours=1)))
EVERYWHERE = (Limit(300, timedelta(minutes=1)),)
# The limit of a network while `EVERYWHERE` is exceeded, so that a network which sends few is still heard.
UNDER_ATTACK = (Limit(3, timedelta(minutes=5)),)
# How many proofs may wait at a time. Each may take a second, and people who sign in need the same threads.
AT_ONCE = 12
BUSY_SECONDS = 1

Result = TypeVar("Result")
_places = threading.BoundedSemaphore(AT_ONCE)


class _Refused(NamedTuple):
    """A string that was found to be none a moment ago, or that nobody looked at, since too many were; for how long."""

    plaintext: str = ""
    wait: int = 0


# The string that was refused in this request, if one was.
_refused: ContextVar[_Refused] = ContextVar("refused", default=_Refused())  # noqa: B039 - it is never changed

_named = select(ForeignToken.placeholder).where(ForeignToken.name == bindparam("name")).scalar_subquery()
_foreign = PreparedSelect(
    "Foreign",
    selection()
    .add_columns(ForeignToken.proof, ForeignToken.whole, ForeignSigner.public_key)
    .outerjoin(ForeignToken, ForeignToken.placeholder == Token.digest)
    .outerjoin(ForeignSigner, ForeignSigner.id == ForeignToken.signer_id)
    .where(or_(Token.digest == bindparam("digest"), Token.digest == _named)),
    replica=True,
)


@cache
def _turns() -> threading.BoundedSemaphore:
    """Half of the threads for heavy work; the others are for passwords."""
    return threading.BoundedSemaphore(max(1, heavy.threads() // 2))


class Unproved(Exception):
    """A string names a token, and takes work to be told from a guess: `proved` does it, then the request goes on."""

    # Where the string came from, if not from whoever asks; by that it is counted.
    address = ""

    def __init__(self, plaintext: str, right: Callable[[], bool], placeholder: bytes) -> None:
        super().__init__("a token is to be proved")
        self._plaintext, self._right, self._placeholder = plaintext, right, placeholder

    @contextmanager
    def proved(self) -> Iterator[None]:
        """Within, the string is known as ours, or as none, or `find` raises `TooMany` for it."""
        try:
            told = _Refused() if self.settled() else _Refused(self._plaintext)
        except TooMany as many:
            told = _Refused(self._plaintext, many.wait)
        mark = _refused.set(told)
        try:
            yield
        finally:
            _refused.reset(mark)

    def settled(self) -> bool:
        """Whether the string was the one, and is known now; the work is counted before it is done. Raises `TooMany`."""
        if not _places.acquire(blocking=False):
            raise TooMany(BUSY_SECONDS)
        try:
            return self._settled(addresses.network(self.address) if self.address else origin.current.get().network)
        finally:
            _places.release()

    def _settled(self, network: str) -> bool:
        counters = limits.of_network("foreign", network, PROOFS)
        instead = limits.of_network("foreign-under-attack", network, UNDER_ATTACK)
        throttle.admit(*counters, crowd=Crowd(Counter("foreign-anywhere", EVERYWHERE), instead))
        right = self.right()
        if right:
            self.keep()
            throttle.refund(*counters)
        return right

    def right(self) -> bool:
        """Whether the string is the one, found out when it is its turn."""
        turns = _turns()
        with waiting():
            turns.acquire()
        try:
            return heavy.run(self._right, addresses.place(self.address or origin.current.get().address))
        finally:
            turns.release()

    def keep(self) -> None:
        """From now on it is known as ours."""
        learn(self._placeholder, self._plaintext)


def was_refused(plaintext: str) -> bool:
    """Whether this string was found to be none a moment ago, in this request."""
    return plaintext == _refused.get().plaintext


def find(plaintext: str, now: datetime, lately: datetime) -> Bearer | None:
    """The token of another system that a string is, dead or alive.

    Raises `Unproved` for what only names one, `TooMany` where that may be one and is not looked at now.
    """
    digest, named = credentials.digest(plaintext), forms.named(plaintext)
    name = named.name if named is not None else None
    rows = _foreign.all(digest=digest, name=name, now=now, lately=lately)
    found = next((row for row in rows if row.digest == digest), None)
    if found is None and rows:
        if not was_refused(plaintext):
            _want_proof(plaintext, named, rows[0])
        elif wait := _refused.get().wait:
            raise TooMany(wait)
    if found is None or found.kind not in BEARERS:
        return None
    return Bearer(*found[: len(Bearer._fields)])


def naming(plaintexts: Iterable[str]) -> list[str]:
    """Those of these strings that name a token whose own string was not seen yet. One statement for all of them."""
    told = {text: forms.named(text) for text in plaintexts if credentials.may_be_foreign(text)}
    names = {named.name for named in told.values() if named is not None}
    there = set(db.scalars(select(ForeignToken.name).where(ForeignToken.name.in_(names)))) if names else set()
    return [text for text, named in told.items() if named is not None and named.name in there]


def proved(plaintext: str) -> bool:
    """Whether a string was just found to be that of a token, which is known by it now; for whoever ends it unused.

    It may take long, so nothing is held meanwhile. Raises `TooMany`.
    """
    if not credentials.may_be_foreign(plaintext):
        return False
    db.rollback()
    now = clock.now()
    try:
        with prepared.primary_alone():
            find(plaintext, now, now)
    except Unproved as unproved:
        return unproved.settled()
    return False


def _want_proof(plaintext: str, named: forms.Named | None, row: Any) -> None:
    # What has ended is not proved any more: whoever asks is told as little as of any other.
    if row.fault or named is None or (row.public_key is None and row.proof is None):
        return
    if row.public_key is not None:
        raise Unproved(plaintext, lambda: proofs.signed(plaintext, row.public_key), row.digest)
    key = (plaintext if row.whole else named.key).encode("utf-8", "surrogatepass")
    raise Unproved(plaintext, lambda: proofs.verifier(row.proof)(key), row.digest)


def asked(ask: Callable[[], Result]) -> Result:
    """Ask about a credential where one may wait."""
    try:
        return ask()
    except Unproved as unproved:
        with unproved.proved():
            return ask()

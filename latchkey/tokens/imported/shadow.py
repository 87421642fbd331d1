"""The company's old check, asked beside ours for a while: it tells what we do not know yet, and where we differ.

It is asked about strings of the other system alone, never about ours, and it decides nothing: what it lets pass is let
pass here when an import has brought the row that it names, whose string is then known. While it is away ours goes on.
"""

import http.client
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import bindparam, select

from latchkey import credentials, origin, settings, watching
from latchkey.store.prepared import PreparedSelect
from latchkey.tokens.imported import forms
from latchkey.tokens.imported.lookup import Unproved, was_refused
from latchkey.tokens.imported.pauses import Pauses
from latchkey.tokens.imported.record import ForeignToken, learn

SECONDS = 1.0
# How long a compared string is not compared again.
AGAIN_SECONDS = 600.0
MOST_WAITING, MOST_KNOWN = 200, 10_000
# Statuses that mean “no such token”. They cause no pause: strangers choose the string, and must not silence the check.
REFUSALS = frozenset(range(400, 500)) - {408, 429}

log = logging.getLogger("latchkey.shadow")
# Called with how each answer compares with ours: same, differs, learned, unknown or away.
watchers: list[Callable[[str], object]] = []
_waiting = PreparedSelect(
    "Waiting",
    select(ForeignToken.placeholder, ForeignToken.proof, ForeignToken.signer_id).where(
        ForeignToken.name == bindparam("name")
    ),
)


class Said(NamedTuple):
    """What the old check said of a string, and by which row it knows it."""

    passes: bool
    row: str


class _Old:
    """How this process found the old check, and what is to be compared."""

    def __init__(self) -> None:
        self.pauses = Pauses()
        # A string, the network that it came from, and what we said of which token.
        self.pending: queue.Queue[tuple[str, str, bool, str]] = queue.Queue(MOST_WAITING)
        self.seen: OrderedDict[bytes, float] = OrderedDict()
        self.guard = threading.Lock()
        self.thread: threading.Thread | None = None


_old = _Old()


class Unasked(Unproved):
    """Nobody here knows a string, and the old check may."""

    def __init__(self, plaintext: str) -> None:
        super().__init__(plaintext, lambda: _learned(plaintext), b"")

    def right(self) -> bool:
        """What the old check says; a password's turn is not needed for it."""
        return self._right()

    def keep(self) -> None:
        """It is kept already where it was learned."""


def unasked(plaintext: str | None) -> bool:
    """Whether the old check is to be asked about a string that nobody here knows."""
    if settings.current().shadow_url is None or plaintext is None or was_refused(plaintext):
        return False
    return credentials.may_be_foreign(plaintext) and not _old.pauses.holds(*_of(plaintext))


def _of(plaintext: str) -> tuple[bytes, str]:
    """By what a string and whoever sends it are told apart."""
    return credentials.digest(plaintext), origin.current.get().network


def _learned(plaintext: str) -> bool:
    said = _ask(plaintext, origin.current.get().network)
    if said is None or not said.passes:
        return False
    placeholder = _named(plaintext, said)
    if placeholder is not None and not _refuses_what_nobody_has(plaintext):
        return False
    if placeholder is None:
        shown = credentials.digest(plaintext).hex()[:8]
        log.warning("shadow: theirs passes, ours does not know it (sha256 %s…)", shown)
        _tell("unknown")
        return False
    learn(placeholder, plaintext)
    _tell("learned")
    return True


def _tell(outcome: str) -> None:
    for told in watchers:
        told(outcome)


def _refuses_what_nobody_has(plaintext: str) -> bool:
    """Whether it looks at more than the name of a row: a page that answers 200 to everybody checks nothing.

    Asked whenever something would be learned, which is once a token.
    """
    separator = next((place for place, sign in enumerate(plaintext) if sign in forms.SEPARATORS), -1)
    said = _ask(plaintext[: separator + 1] + credentials.opaque(), origin.current.get().network)
    if said is not None and said.passes:
        log.error("shadow: the old check lets pass what nobody has, and nothing is learned from it")
    return said is not None and not said.passes


def _named(plaintext: str, said: Said) -> bytes | None:
    """What stands for the string in the row that the old check names, or that the string names by itself."""
    named = forms.named(plaintext)
    name = forms.name("id", said.row) if said.row else None if named is None else named.name
    found = _waiting.one(name=name) if name is not None else None
    # What can be proved here is not taken on anybody's word.
    return None if found is None or found.proof is not None or found.signer_id is not None else found.placeholder


def compare(plaintext: str | None, token_id: str, *, passes: bool) -> None:
    """Have the old check asked about a token that is known here, in the background, now and then."""
    if settings.current().shadow_url is None or plaintext is None or not credentials.may_be_foreign(plaintext):
        return
    digest, now = credentials.digest(plaintext), time.monotonic()
    with _old.guard:
        if now - _old.seen.get(digest, float("-inf")) < AGAIN_SECONDS:
            return
        _old.seen[digest] = now
        while len(_old.seen) > MOST_KNOWN:
            _old.seen.popitem(last=False)
        if _old.thread is None or not _old.thread.is_alive():
            _old.thread = threading.Thread(target=_compare_all, name="shadow", daemon=True)
            _old.thread.start()
    try:
        _old.pending.put_nowait((plaintext, origin.current.get().network, passes, token_id))
    except queue.Full:
        return


def _compare_all() -> None:
    while True:
        plaintext, network, passes, token_id = _old.pending.get()
        held = _old.pauses.holds(credentials.digest(plaintext), network)
        said = None if held else _ask(plaintext, network)
        if said is not None:
            _tell("same" if said.passes is passes else "differs")
        if said is not None and said.passes is not passes:
            words = {True: "passes", False: "is refused"}
            log.warning("shadow: theirs %s, ours %s (%s)", words[said.passes], words[passes], token_id)
        _old.pending.task_done()


def _ask(plaintext: str, network: str) -> Said | None:
    """What the old check says of a string that came from a network; None: nothing, it is away."""
    if not plaintext.isascii() or not plaintext.isprintable():
        return Said(passes=False, row="")
    parts = urlsplit(settings.current().shadow_url or "")
    asked = watching.step("GET", {"http.request.method": "GET", "server.address": parts.hostname or ""})
    try:
        with asked, closing(_connection(parts)) as connection:
            said = _said(connection, plaintext, network)
    except OSError as error:
        _old.pauses.unreachable()
        _tell("away")
        log.warning("shadow: the old check cannot be reached (%s)", type(error).__qualname__)
        return None
    return said


def _said(connection: http.client.HTTPConnection, plaintext: str, network: str) -> Said | None:
    # A fault of its own, whatever the string.
    connection.connect()
    try:
        said = _answer(connection, plaintext)
    except (OSError, http.client.HTTPException) as error:
        _old.pauses.failed(credentials.digest(plaintext), network)
        _tell("away")
        log.warning("shadow: the old check does not answer (%s)", type(error).__qualname__)
        return None
    _old.pauses.answered(network)
    return said


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=SECONDS)


def _answer(connection: http.client.HTTPConnection, plaintext: str) -> Said:
    parts = urlsplit(settings.current().shadow_url or "")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", path, headers={"Authorization": f"Bearer {plaintext}", "User-Agent": "Latchkey"})
    answer = connection.getresponse()
    row = (answer.getheader("X-Auth-Token-Id") or "")[: forms.LONGEST_ID]
    if 200 <= answer.status < 300:
        return Said(passes=True, row=row)
    if answer.status not in REFUSALS:
        raise http.client.HTTPException
    return Said(passes=False, row="")

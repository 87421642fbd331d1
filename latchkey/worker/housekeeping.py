"""Removing what nobody needs any more, and telling of tokens that end: inside the application, an hour apart.

One process of all hosts does it at a time. Each part is a transaction of a few milliseconds, and then it rests, so that
however much there is to remove, nobody waits for it. Whoever is killed in the middle has lost nothing: the next one
finds what is left.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from latchkey import clock, tokens
from latchkey.accounts import challenges, links, sessions, steps, throttle
from latchkey.clients.keys import record as keys
from latchkey.endings import guards
from latchkey.endings import record as numbered
from latchkey.grants import self_registered
from latchkey.journal import activity, acts, chain, idempotency, refusals
from latchkey.journal.calls import counts
from latchkey.mail import outbox, processes
from latchkey.oversight import invitations
from latchkey.store import conflicts, leases
from latchkey.store.session import db
from latchkey.tokens.issued import device_codes
from latchkey.worker import ended, endings, unverified

log = logging.getLogger("latchkey.housekeeping")

LEASE = "housekeeping"
# The length of the lease, which a working process prolongs and a killed one loses after it.
HELD = timedelta(minutes=5)
# How long after one run the next may begin, in any process.
BETWEEN = timedelta(minutes=55)
# The rest after each part, as a multiple of the time that it took, so that others can write.
REST = 4
# The most parts of one kind in one run, so that a purge that removes nothing does not go on for ever.
MOST_PARTS = 1_000_000

Purge = Callable[[], bool | None]
NOUNS = (
    throttle,
    links,
    sessions,
    steps,
    challenges,
    activity,
    acts,
    chain,
    ended,
    tokens.traces,
    device_codes,
    self_registered,
    refusals,
    counts,
    idempotency,
    outbox,
    invitations,
    keys,
    leases,
    unverified,
    numbered,
    guards,
)


class TurnLost(Exception):
    """Another process has taken the lease, since this one stood still for too long."""


def take_turn(*more: Purge) -> bool:
    """Do the housekeeping unless another process does or has done it lately. Returns whether it was done."""
    holder = processes.name()
    if not leases.take(LEASE, holder, HELD):
        return False
    renewed = clock.now()

    def rest(seconds: float) -> None:
        nonlocal renewed
        time.sleep(seconds)
        if clock.now() - renewed > HELD / 4:
            if not leases.extend(LEASE, holder, HELD):
                raise TurnLost
            renewed = clock.now()

    try:
        clear(*more, rest=rest)
    except TurnLost:
        log.warning("another process goes on with clearing away")
        return True
    leases.extend(LEASE, holder, BETWEEN)
    return True


def clear(*more: Purge, rest: Callable[[float], object] = time.sleep) -> None:
    """Tell of tokens that end, and remove rows of every kind that nobody needs any more, a kind at a time.

    A purge does a part of its work and says whether there is more. One that fails keeps no other from its work.
    """
    for purge in (endings.remind, endings.end_disused, *(noun.purge for noun in NOUNS), *more):
        try:
            _carry_through(purge, rest)
        except SQLAlchemyError:
            db.remove()
            log.exception("clearing away failed: %s", purge.__module__)


def _carry_through(purge: Purge, rest: Callable[[float], object]) -> None:
    def part() -> bool | None:
        left = purge()
        db.commit()
        return left

    for _ in range(MOST_PARTS):
        begun = time.perf_counter()
        if not conflicts.again(part):
            return
        rest(REST * (time.perf_counter() - begun))

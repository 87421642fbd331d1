"""How the installation stands, in figures for monitoring: each of them a bounded question."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from latchkey import clock
from latchkey.accounts.sessions import BrowserSession
from latchkey.journal.activity import Event
from latchkey.journal.refusals import Refusal
from latchkey.mail import outbox
from latchkey.oversight import approval, fleet, overview
from latchkey.store.session import db
from latchkey.tokens.imported.record import ForeignToken

HOUR = timedelta(hours=1)
# Words of ours, and of the OAuth errors; nobody makes more of them.
MOST_KINDS = 40
MOST_COUNTED = 100_000


class Gauge(NamedTuple):
    """One figure; `kind` tells those of one name apart."""

    name: str
    help: str
    value: float
    kind: str = ""


def read() -> Iterator[Gauge]:
    """Each figure as it is now."""
    now = clock.now()
    letters = outbox.standing()
    yield Gauge("latchkey_letters", "Letters that wait, or were given up.", letters.waiting, "waiting")
    yield Gauge("latchkey_letters", "Letters that wait, or were given up.", letters.given_up, "given_up")
    oldest = (now - letters.oldest_at).total_seconds() if letters.oldest_at else 0
    yield Gauge("latchkey_oldest_letter_seconds", "Age of the oldest letter that waits.", oldest)
    live = select(func.count()).where(BrowserSession.ended_at.is_(None), BrowserSession.last_seen_at > now - HOUR)
    yield Gauge("latchkey_sessions", "Browsers that were here within the hour.", db.scalar(live) or 0)
    guesses = select(func.count()).where(Event.at > now - HOUR, Event.kind.in_(overview.GUESSES))
    yield Gauge("latchkey_guesses", "Wrong passwords and codes within the hour, as told.", db.scalar(guesses) or 0)
    yield Gauge("latchkey_approvals_waiting", "Requests that wait for an administrator.", approval.count())
    guards = fleet.look()
    yield Gauge("latchkey_guards", "Guards that follow what ends.", len(guards.followers))
    yield Gauge("latchkey_guards_behind", "Guards that have not heard of all that ended.", len(guards.behind))
    slowest = guards.slowest.total_seconds() if guards.slowest else 0
    yield Gauge("latchkey_guard_reach_seconds", "How long the last end took to the slowest guard.", slowest)
    unseen = select(ForeignToken.placeholder).where(ForeignToken.placeholder.is_not(None)).limit(MOST_COUNTED)
    help_text = "Tokens of another system whose strings were not seen yet."
    number = db.scalar(select(func.count()).select_from(unseen.subquery()))
    yield Gauge("latchkey_imported_unseen", help_text, number or 0)
    reasons = select(Refusal.error, func.sum(Refusal.times)).where(Refusal.at > now - HOUR)
    for error, times in db.execute(reasons.group_by(Refusal.error).order_by(Refusal.error).limit(MOST_KINDS)).all():
        help_text = "Refused requests of apps and calls with known tokens within the hour."
        yield Gauge("latchkey_refused_by_reason", help_text, float(times or 0), error)

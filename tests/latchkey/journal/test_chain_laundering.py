"""What whoever can write the database makes the worker itself vouch for, were it to trust what it finds there."""

import pytest
from sqlalchemy import String, cast, delete, func, literal, select, update

from latchkey.journal import activity, chain
from latchkey.journal.activity import KEPT, Event, EventKind
from latchkey.journal.links import Head, Link
from latchkey.store.session import db as session
from latchkey.worker import housekeeping, loop
from tests.latchkey.journal.test_chain import broken, events, tamper

__all__ = ["events"]
pytestmark = pytest.mark.standard("P-03", "P-05")


def test_the_worker_vouches_for_no_end_that_it_did_not_write(events, alice):
    """All that was is cut off, and the end says that it was sealed: the next event must not make that right."""
    tamper(delete(Event))
    tamper(delete(Link))
    tamper(update(Head).values(sealed_to=20, sealed_mac=bytes(32), seq=20, mac=bytes(32)))
    activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()

    loop.close_chain()
    housekeeping.clear()
    loop.close_chain()

    assert "was changed" in broken().why


def test_purging_seals_no_stretch_whose_days_were_forged(events):
    """Links that say that their events were long ago are not thrown away with what they show."""
    tamper(update(Link).values(event_id=literal("evt_") + cast(Link.seq, String)))
    tamper(update(Event).where(Event.id == events[3]).values(kind="sign_in.failed"))
    tamper(update(Event).values(seq=None))

    housekeeping.clear()
    loop.close_chain()
    housekeeping.clear()

    assert broken().seq == 1


def test_purging_seals_no_stretch_of_which_a_part_is_missing(events, clock):
    clock.move(days=KEPT.days, hours=2)
    tamper(delete(Link).where(Link.seq == 4))

    housekeeping.clear()

    assert broken() is not None
    assert session.scalar(select(func.count()).select_from(Link)) == 9


def test_an_end_that_cannot_be_read_is_said_and_stops_nothing(events, alice, instance):
    (instance / chain.ANCHOR).write_text("{")
    activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()

    loop.close_chain()

    assert "cannot be read" in broken().why


def test_a_long_stretch_is_sealed_in_parts(events, clock, monkeypatch):
    monkeypatch.setattr(chain, "SEALED_AT_A_TIME", 3)
    clock.move(days=KEPT.days, hours=2)

    housekeeping.clear()

    head = session.scalars(select(Head)).one()
    assert (head.sealed_to, head.seq) == (10, 10)
    assert chain.check() == chain.Verdict(0, 0, None)

"""The chain over all activity: what whoever can write the database can do, and how it is found."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from latchkey import settings as settings_module
from latchkey import vault
from latchkey.accounts import users
from latchkey.journal import activity, chain, links
from latchkey.journal.activity import KEPT, Event, EventKind
from latchkey.journal.links import Gap, Head, Link
from latchkey.safety import lockdown
from latchkey.store.session import db as session
from latchkey.worker import housekeeping, loop, unverified
from tests.factories import make_user


@pytest.fixture
def events(alice, bob):
    """Ten events of two people, closed."""
    made = [activity.record((alice, bob)[number % 2], EventKind.SIGNED_IN, number=number) for number in range(10)]
    session.commit()
    loop.close_chain()
    return [event.id for event in made]


def tamper(statement, *rows):
    session.execute(statement.execution_options(synchronize_session=False), *rows)
    session.commit()
    session.expire_all()


def broken():
    return chain.check().broken


@pytest.mark.standard("P-02", "P-03")
def test_every_event_is_closed_in_the_order_of_ids_and_the_chain_is_whole(events):
    closed = session.execute(select(Link.seq, Link.event_id).order_by(Link.seq)).all()

    assert [tuple(row) for row in closed] == list(enumerate(events, 1))
    assert chain.check() == chain.Verdict(10, 0, None)


def test_what_is_recorded_later_goes_on_from_there(events, alice):
    late = activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()
    waiting = chain.check()
    loop.close_chain()

    assert (waiting.waiting, waiting.broken) == (1, None)
    assert chain.check() == chain.Verdict(11, 0, None)
    assert session.scalar(select(Link.seq).where(Link.event_id == late.id)) == 11


@pytest.mark.standard("P-03")
@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "sign_in.failed"},
        {"address": "198.51.100.1"},
        {"agent": "curl"},
        {"request_id": "x"},
        {"detail": {"number": 99}},
        {"detail": {"number": 4, "actor": {"doer": "administrator"}}},
        {"seq": None},
        {"seq": 99},
    ],
)
def test_an_event_that_was_changed_is_the_first_broken_one(events, changed):
    tamper(update(Event).where(Event.id.in_([events[4], events[7]])).values(changed))

    assert broken().event_id == events[4]
    assert broken().seq == 5


def test_an_event_that_was_given_to_another_person_or_day_is_found(events, bob, clock):
    tamper(update(Event).where(Event.id == events[0]).values(user_id=bob.id))
    assert broken().event_id == events[0]

    tamper(update(Event).where(Event.id == events[0]).values(at=clock.now() - timedelta(days=1)))
    assert broken().event_id == events[0]


def test_an_event_that_was_removed_is_found_by_its_link(events):
    tamper(delete(Event).where(Event.id == events[3]))

    assert broken() == (4, events[3], "is gone")
    assert broken().at is not None


def test_one_that_was_removed_with_its_link_is_found_by_the_next(events):
    tamper(delete(Event).where(Event.id == events[3]))
    tamper(delete(Link).where(Link.event_id == events[3]))

    assert broken().event_id == events[4]


def test_the_end_cannot_be_cut_off(events):
    for cut in (delete(Event).where(Event.seq > 7), delete(Link).where(Link.seq > 7)):
        tamper(cut)

    assert broken().seq == 8


def test_the_end_cannot_be_cut_off_by_moving_the_end_back(events):
    """Not with its own old row either, which was right once: beside the key stands where the chain ended."""
    for cut in (delete(Event).where(Event.seq > 7), delete(Link).where(Link.seq > 7)):
        tamper(cut)
    head = session.scalars(select(Head)).one()
    head.seq, head.mac = 7, session.scalar(select(Link.mac).where(Link.seq == 7))
    session.commit()
    forged = broken()
    head.proof = head.expected(links.key_of(head))
    session.commit()

    assert "was changed" in forged.why
    assert broken().seq == 8


def test_a_chain_that_is_made_anew_is_found_by_what_was_written_down_of_the_old_one(events):
    tamper(delete(Event).where(Event.id == events[3]))
    tamper(delete(Link))
    tamper(delete(Head))
    empty = broken()
    tamper(update(Event).values(seq=None))
    loop.close_chain()

    assert "are gone" in empty.why
    assert broken().seq == 10
    assert broken() is not None


@pytest.mark.standard("P-03")
def test_what_is_wrong_with_the_end_is_logged_once_an_hour_and_when_it_becomes_another(
    events, alice, monkeypatch, caplog, settings
):
    """Every entry that is closed finds it, twice a second in each process."""
    monkeypatch.setattr(chain, "_told", chain._Told())
    path = settings.instance / chain.ANCHOR

    def told_by(end: str, entries: int = 3) -> int:
        path.write_text(end)
        caplog.clear()
        for _ in range(entries):
            activity.record(alice, EventKind.SIGNED_OUT)
            session.commit()
            loop.close_chain()
        return sum(record.name == "latchkey.chain" for record in caplog.records)

    cut, other = ('{"seq": 900, "mac": "00"}', '{"seq": 901, "mac": "00"}')
    assert [told_by(end) for end in ("nothing", cut, cut, "nothing", other)] == [1, 1, 0, 0, 1]
    monkeypatch.setattr(chain, "TOLD_SECONDS", 0.0)
    assert told_by(other) == 3


def test_an_event_cannot_be_put_in(events, alice):
    fake = Event(user_id=alice.id, kind="sign_in.succeeded", address="", agent="", request_id="", detail={}, seq=11)
    session.add(fake)
    session.commit()

    assert broken().event_id == fake.id


def test_a_link_cannot_be_forged_or_moved(events, alice):
    fake = Event(user_id=alice.id, kind="sign_in.succeeded", address="", agent="", request_id="", detail={}, seq=11)
    session.add(fake)
    session.flush()
    fake_id = fake.id
    session.add(Link(seq=11, event_id=fake_id, owner=bytes(32), kind=fake.kind, digest=bytes(32), mac=bytes(32)))
    session.commit()
    assert broken().event_id == fake_id

    tamper(delete(Link).where(Link.seq == 11))
    tamper(delete(Event).where(Event.seq == 11))
    assert broken() is None
    tamper(update(Link).where(Link.seq == 4).values(event_id="x"))
    assert broken().seq == 4


def test_a_gap_cannot_be_forged(events, alice):
    owner = session.scalar(select(Link.owner).where(Link.event_id == events[2]))
    session.add(Gap(owner=owner, kind="", before="f", proof=bytes(32)))
    tamper(delete(Event).where(Event.id == events[2]))

    assert broken().event_id == events[2]


def test_a_gap_of_one_person_covers_nobody_elses_events_and_no_later_ones(events, alice):
    links.leave_gap(alice.id)
    session.commit()
    tamper(delete(Event).where(Event.id == events[2]))
    assert broken() is None

    tamper(delete(Event).where(Event.id == events[5]))
    assert broken().event_id == events[5]


@pytest.mark.standard("P-05", "L-12")
def test_what_goes_with_an_account_leaves_its_digest_and_no_trace_of_the_person(app, events, alice):
    with app.app_context():
        for _part in lockdown.delete(alice):
            session.commit()
        session.commit()

    assert session.scalar(select(func.count()).select_from(Event)) == 5
    assert session.scalar(select(func.count()).select_from(Link)) >= 10
    assert broken() is None
    kept = session.execute(select(Link)).scalars().all()
    assert not any(alice.id.encode() in bytes(link.owner) + link.digest for link in kept)


def test_accounts_that_nobody_came_back_to_leave_no_break(db, clock):
    for number in range(3):
        user = make_user(f"gone{number}@example.com", verified=False)
        activity.record(user, EventKind.SIGNED_UP)
    session.commit()
    loop.close_chain()
    clock.move(days=8)

    unverified.purge()
    session.commit()

    assert session.scalar(select(func.count()).select_from(users.User)) == 0
    assert chain.check() == chain.Verdict(3, 0, None)


@pytest.mark.standard("P-05")
def test_purging_seals_a_stretch_and_keeps_its_end(events, alice, clock):
    clock.move(days=KEPT.days, hours=2)
    activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()
    loop.close_chain()

    housekeeping.clear()
    housekeeping.clear()

    head = session.scalars(select(Head)).one()
    assert (head.sealed_to, head.seq) == (10, 11)
    assert session.scalars(select(Link.seq)).all() == [11]
    assert chain.check() == chain.Verdict(1, 0, None)
    tamper(update(Head).values(sealed_mac=bytes(32)))
    assert broken() is not None


def test_between_purging_and_sealing_nothing_looks_broken(events, clock):
    clock.move(days=KEPT.days, minutes=30)
    activity.purge()
    session.commit()

    assert session.scalar(select(func.count()).select_from(Event)) == 0
    assert chain.check() == chain.Verdict(10, 0, None)


def test_the_oldest_of_too_many_of_one_kind_leave_a_gap_that_is_known(alice, monkeypatch):
    monkeypatch.setattr(activity, "MOST_KEPT", 3)
    for _ in range(6):
        activity.record(alice, EventKind.SIGN_IN_FAILED)
    kept = activity.record(alice, EventKind.SIGNED_IN).id
    session.commit()
    loop.close_chain()

    activity.purge()
    session.commit()

    assert session.scalar(select(func.count()).select_from(Event)) == 4
    assert broken() is None
    tamper(delete(Event).where(Event.id == kept))
    assert broken().event_id == kept


def test_with_another_secret_key_nothing_is_closed_and_it_is_said_why(events, alice, settings):
    settings_module.use(replace(settings, secret_key="another-secret-key-of-enough-length-0123"))
    activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()

    loop.close_chain()

    assert "no secret key of this host" in broken().why
    assert session.scalar(select(func.count()).select_from(Link)) == 10


@pytest.mark.standard("A-09")
def test_the_chain_outlives_a_new_secret_key(events, alice, settings):
    new = "another-secret-key-of-enough-length-0123"
    settings_module.use(replace(settings, secret_key=new, secret_key_fallbacks=(settings.secret_key,)))
    activity.record(alice, EventKind.SIGNED_OUT)
    session.commit()
    loop.close_chain()

    settings_module.use(replace(settings, secret_key=new))

    assert chain.check() == chain.Verdict(11, 0, None)


def test_nothing_else_that_was_sealed_passes_for_the_key(events):
    tamper(update(Head).values(sealed_key=vault.seal("form:known-to-whoever-typed-it")))

    assert "no secret key of this host" in broken().why


def test_the_database_holds_the_key_sealed_alone(events, instance):
    head = session.scalars(select(Head)).one()

    assert links.key_of(head) not in head.sealed_key.encode()
    assert (instance / "activity_chain").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow("starts processes")
def test_many_processes_close_it_together_while_people_act(app, alice, bob):
    """Threads with sessions of their own stand for processes."""
    together, stop, closed = threading.Barrier(8), threading.Event(), []

    def act(user):
        together.wait()
        for number in range(15):
            activity.record(session.get(users.User, user), EventKind.SIGNED_IN, number=number)
            session.commit()
        session.remove()

    def keep_closing():
        together.wait()
        while not stop.is_set():
            count = chain.close()
            session.commit()
            closed.append(count)
        session.remove()

    actors = [threading.Thread(target=act, args=[user.id]) for user in (alice, bob, alice, bob)]
    closers = [threading.Thread(target=keep_closing) for _ in range(4)]
    for thread in (*actors, *closers):
        thread.start()
    for thread in actors:
        thread.join()
    deadline = time.monotonic() + 30
    while session.scalar(select(func.count()).select_from(Event).where(Event.seq.is_(None))):
        assert time.monotonic() < deadline
        session.rollback()
    stop.set()
    for thread in closers:
        thread.join()

    assert sum(closed) == 60
    assert chain.check() == chain.Verdict(60, 0, None)


def test_nothing_is_written_while_there_is_nothing_to_close(events):
    stands = session.execute(text("SELECT seq FROM chain_head")).scalar_one()

    assert chain.close() == 0
    assert not session().info.get("writing")
    assert session.execute(text("SELECT seq FROM chain_head")).scalar_one() == stands


def test_an_installation_without_events_is_whole(db):
    loop.close_chain()

    assert chain.check() == chain.Verdict(0, 0, None)


@pytest.mark.standard("P-03")
def test_a_page_looks_at_the_latest_entries_alone_and_at_no_more(events):
    assert chain.check(4) == chain.Verdict(4, 0, None, more=True)
    assert chain.check(10) == chain.check() == chain.Verdict(10, 0, None)

    tamper(update(Event).where(Event.id == events[5]).values(agent="older than that"))
    assert chain.check(4).broken is None
    tamper(update(Event).where(Event.id == events[6]).values(agent="among them"))
    assert (chain.check(4).broken.event_id, chain.check().broken.event_id) == (events[6], events[5])


@pytest.mark.standard("P-03")
def test_what_the_latest_entries_follow_cannot_be_made_up(events):
    tamper(update(Link).where(Link.seq == 6).values(mac=b"x" * 32))

    assert chain.check(4).broken.seq == 7

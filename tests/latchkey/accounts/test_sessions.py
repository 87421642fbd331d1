import pytest

from latchkey import origin
from latchkey.accounts import sessions, users
from latchkey.origin import Origin


@pytest.fixture
def opened(db, alice):
    session = sessions.open(alice)
    db.commit()
    return session


def test_a_session_is_found_by_what_its_cookie_holds_and_says_where_it_was_opened(db, alice):
    token = origin.current.set(Origin("192.0.2.7", "Mozilla/5.0", "r1"))
    session = sessions.open(alice)
    origin.current.reset(token)
    db.commit()

    found = sessions.find(session.plaintext)

    assert found is session
    assert found.user is alice
    assert (found.address, found.agent, found.get_id()) == ("192.0.2.7", "Mozilla/5.0", session.plaintext)
    assert session.plaintext.encode() not in session.digest


@pytest.mark.parametrize("cookie", ["", "x", "ses_1", "\x00", "ü" * 43])
def test_anything_else_is_no_session(opened, cookie):
    assert sessions.find(cookie) is None


@pytest.mark.standard("M-04")
def test_an_unused_session_ends_after_twelve_hours(db, clock, alice):
    session = sessions.open(alice)
    db.commit()

    clock.move(hours=12, seconds=-1)
    assert sessions.find(session.plaintext) is not None
    clock.move(seconds=1)

    assert sessions.find(session.plaintext) is None
    assert sessions.list_live(alice) == []


@pytest.mark.standard("M-04")
def test_a_session_in_use_ends_after_seven_days(db, clock, alice):
    session = sessions.open(alice)
    db.commit()

    for _ in range(7 * 24 - 1):
        clock.move(hours=1)
        assert sessions.seen(session)
        db.commit()
    assert sessions.find(session.plaintext) is not None
    clock.move(hours=1)

    assert sessions.find(session.plaintext) is None


def test_being_seen_is_written_once_a_minute(db, clock, alice):
    session = sessions.open(alice)
    db.commit()

    clock.move(seconds=59)
    early = sessions.seen(session)
    clock.move(seconds=1)
    due = sessions.seen(session)
    db.commit()

    assert (early, due) == (False, True)
    assert session.last_seen_at == clock.now()
    assert not sessions.seen(session)


@pytest.mark.standard("M-01")
def test_an_ended_session_stays_ended_and_keeps_when(db, clock, alice):
    session = sessions.open(alice)
    sessions.end(session)
    db.commit()
    ended = clock.now()
    clock.move(minutes=5)

    sessions.end(session)
    sessions.reauthenticate(session)
    db.commit()
    db.refresh(session)

    assert sessions.find(session.plaintext) is None
    assert session.ended_at == ended


def test_all_other_sessions_end_at_once(db, alice, bob):
    first, here, other, his = (sessions.open(user) for user in (alice, alice, alice, bob))
    db.commit()

    count = sessions.end_all(alice, keep=here)
    db.commit()

    assert count == 2
    assert sessions.list_live(alice) == [here]
    assert [sessions.find(session.plaintext) for session in (first, other)] == [None, None]
    assert sessions.find(his.plaintext) is his


def test_sessions_are_listed_with_the_one_used_last_first(db, clock, alice):
    first = sessions.open(alice)
    clock.move(minutes=2)
    second = sessions.open(alice)
    clock.move(minutes=2)
    sessions.seen(first)
    db.commit()

    assert sessions.list_live(alice) == [first, second]


def test_a_session_is_its_users_alone(opened, alice, bob):
    assert sessions.get_for(alice, opened.id) is opened
    assert sessions.get_for(bob, opened.id) is None


def test_a_password_counts_for_fifteen_minutes(db, clock, alice):
    session = sessions.open(alice)
    db.commit()

    clock.move(minutes=15, seconds=-1)
    before = sessions.recently_authenticated(session)
    clock.move(seconds=1)
    after = sessions.recently_authenticated(session)
    old = session.plaintext
    sessions.reauthenticate(session)
    db.commit()

    assert (before, after, sessions.recently_authenticated(session)) == (True, False, True)
    assert sessions.find(old) is None
    assert sessions.find(session.plaintext) is session


@pytest.mark.standard("M-01")
def test_a_disabled_users_sessions_are_dead_at_once(db, opened, alice):
    users.disable(alice)
    db.commit()

    assert sessions.find(opened.plaintext) is None


def test_sessions_that_are_over_for_good_are_purged(db, clock, alice):
    old = sessions.open(alice)
    clock.move(days=6)
    new = sessions.open(alice)
    clock.move(days=1, seconds=1)

    sessions.purge()
    db.commit()

    assert sessions.get_for(alice, old.id) is None
    assert sessions.get_for(alice, new.id) is new

"""Statements of the session's own transaction: what they write is the session's, and what they lock is as stored."""

import pytest
from sqlalchemy import update

from latchkey.accounts import sessions, users
from latchkey.accounts.sessions import BrowserSession, How
from latchkey.accounts.users import User
from latchkey.journal.activity import Event, EventKind
from latchkey.store.drivers import within
from latchkey.store.session import db as session
from latchkey.store.session import engines
from tests import statements


def made(user):
    return BrowserSession(digest=b"d" * 32, user=user, user_id=user.id, address="192.0.2.1", agent="", how=How.PASSWORD)


def test_a_record_that_is_written_at_once_is_the_sessions_and_is_read_as_it_was_written(db, alice):
    here = within.insert(made(alice))
    here.kept = "sealed"
    db.commit()
    told = {name: getattr(here, name) for name in ("id", "created_at", "last_seen_at", "ended_at", "how", "kept")}
    db.remove()

    found = db.get(BrowserSession, told["id"])

    assert {name: getattr(found, name) for name in told} == told
    assert (found.user_id, found.ended_at, found.kept) == (alice.id, None, "sealed")


def test_what_the_session_has_to_write_is_written_before(db):
    bob = User(email="bob@example.com", email_key="bob@example.com", name="Bob", password_hash="")
    db.add(bob)
    db.flush()
    bob.name = "Robert"

    within.insert(Event(user_id=bob.id, kind=EventKind.RENAMED, address="", agent="", request_id="", detail={}))

    assert not db.dirty
    db.rollback()
    assert users.find_by_email("bob@example.com") is None


def test_what_was_written_at_once_goes_with_its_transaction(db, alice):
    work = db.begin_nested()
    within.insert(made(alice))
    work.rollback()
    db.commit()

    assert db.query(BrowserSession).count() == 0


def test_whoever_is_locked_is_as_stored_now(db, alice):
    user = users.find(alice.id)
    with engines().write.begin() as connection:
        connection.execute(update(User).where(User.id == alice.id).values(name="Alicia", epoch=User.epoch + 1))

    held = users.lock(alice.id)

    assert held is user
    assert (held.name, held.epoch) == ("Alicia", 1)


def test_whoever_is_known_as_they_are_is_asked_for_once(db, alice, monkeypatch):
    user = users.find(alice.id)
    told = statements.counted(monkeypatch)

    assert users.lock(alice.id) is user

    assert len([text for text in told if text.startswith("SELECT")]) == 1
    assert session.info["writing"]


@pytest.mark.standard("M-01")
def test_nobody_who_is_gone_is_locked(db, alice):
    users.find(alice.id)
    with engines().write.begin() as connection:
        connection.execute(User.__table__.delete())

    assert users.lock(alice.id) is None


def test_a_session_that_is_found_is_as_it_was_read_and_has_its_user(db, alice):
    opened = sessions.open(alice, how=How.PASSWORD)
    db.commit()
    told = {name: getattr(opened, name) for name in [column.key for column in BrowserSession.__table__.columns]}
    plaintext, user_id = opened.plaintext, alice.id
    db.remove()

    found = sessions.find(plaintext)

    assert {name: getattr(found, name) for name in told} == told
    assert (found.user.id, found.user.is_admin, found.user.reminders) == (user_id, False, True)
    assert not db.dirty
    assert found is db.get(BrowserSession, found.id)
    assert found.user is users.find(user_id)


def test_what_the_session_wrote_is_found_in_it_and_by_nobody_else(db, alice):
    opened = sessions.open(alice, how=How.PASSWORD)

    assert sessions.find(opened.plaintext) is opened
    users.outdate(alice)
    assert users.find_by_email(alice.email) is alice

    db.rollback()
    assert sessions.find(opened.plaintext) is None


def test_whoever_was_found_and_changed_is_written(db, alice):
    user_id = alice.id
    db.remove()

    users.rename(users.find_by_email("alice@example.com"), "Alicia")
    db.commit()
    db.remove()

    assert users.find(user_id).name == "Alicia"

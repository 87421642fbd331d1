"""Signing in with a password: what was proved must still count when the session opens."""

import pytest

from latchkey.accounts import passwords, sessions, users
from latchkey.safety import lockdown, signin
from latchkey.store.session import engines
from tests.factories import PASSWORD


@pytest.mark.standard("L-03")
def test_an_old_hash_is_replaced_at_sign_in(db, alice, monkeypatch):
    before = alice.password_hash
    monkeypatch.setattr(passwords, "outdated", lambda stored: stored == before)

    signin.enter(signin.attempt(alice.email, PASSWORD))
    db.commit()

    assert alice.password_hash != before
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD) is alice


def changes_the_password(user):
    lockdown.change_password(user, passwords.hash("lantern-orchid-57-gravel"))


def suspends_for_a_moment(user):
    users.disable(user)
    users.enable(user)


@pytest.mark.standard("M-01")
@pytest.mark.parametrize("happens", [changes_the_password, suspends_for_a_moment, users.disable, users.remove])
def test_a_password_that_was_right_before_a_lockdown_opens_nothing_after_it(db, alice, happens):
    proof = signin.attempt(alice.email, PASSWORD)
    happens(alice)
    db.commit()

    with pytest.raises(sessions.NotOpened):
        signin.enter(proof)
    db.rollback()


def test_an_outdated_hash_does_not_overwrite_a_password_chosen_meanwhile(db, alice, monkeypatch):
    monkeypatch.setattr(passwords, "outdated", lambda stored: True)
    proof = signin.attempt(alice.email, PASSWORD)
    changes_the_password(alice)
    db.commit()

    with pytest.raises(sessions.NotOpened):
        signin.enter(proof)
    db.rollback()

    assert users.authenticate(users.find_by_email(alice.email), PASSWORD) is None


def test_whoever_waits_for_a_hash_holds_no_connection(db, alice, monkeypatch):
    held, verify = [], passwords._fits

    def looked_at(*given):
        held.append([engine.pool.checkedout() for engine in (engines().read, engines().write)])
        return verify(*given)

    monkeypatch.setattr(passwords, "_fits", looked_at)

    signin.enter(signin.attempt(alice.email, PASSWORD))

    assert held == [[0, 0]]


def test_what_is_being_written_stays_so_while_a_password_is_hashed(db, alice):
    users.lock(alice.id)
    users.rename(alice, "Alicia")

    passwords.hash("lantern-orchid-57-gravel")
    db.rollback()

    assert alice.name != "Alicia"

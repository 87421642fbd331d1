"""Accounts that were never verified go after a week, unless there is more to them than a sign-up."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from latchkey import notices
from latchkey.accounts import sessions, users
from latchkey.accounts.users import User
from latchkey.worker import housekeeping, unverified
from tests.factories import make_client, make_user

WEEK = {"days": 7, "minutes": 1}


def clear(db):
    housekeeping.clear()
    return set(db.scalars(select(User.email)))


def test_an_account_that_was_never_verified_goes_after_a_week(db, clock):
    make_user("eve@example.com", verified=False)
    make_user("ada@example.com")
    clock.move(days=6, hours=23)
    early = clear(db)
    clock.move(hours=2)

    assert early == {"ada@example.com", "eve@example.com"}
    assert clear(db) == {"ada@example.com"}
    assert users.find_by_email("eve@example.com") is None


def _came_back(user, clock):
    clock.move(days=5)
    notices.signed_in(user, sessions.open(user))
    clock.move(days=-5)


def _verified_once(user, _clock):
    notices.email_verified(user)


def _has_an_app(user, _clock):
    make_client(user)


def _administrator(user, _clock):
    user.is_admin = True


def _suspended(user, _clock):
    users.disable(user)


@pytest.mark.parametrize("reason", [_came_back, _verified_once, _has_an_app, _administrator, _suspended])
def test_who_came_back_or_has_something_stays(db, clock, reason):
    eve = make_user("eve@example.com", verified=False)
    reason(eve, clock)
    db.commit()
    clock.move(**WEEK)

    assert clear(db) == {"eve@example.com"}


def test_strangers_tries_keep_no_account_alive(db, clock):
    eve = make_user("eve@example.com", verified=False)
    clock.move(days=6)
    notices.sign_in_failed(eve)
    db.commit()
    clock.move(days=2)

    assert clear(db) == set()


def test_many_go_a_few_at_a_time(db, clock, monkeypatch):
    monkeypatch.setattr(unverified, "AT_A_TIME", 2)
    for number in range(5):
        make_user(f"eve-{number}@example.com", verified=False)
    clock.move(**WEEK)
    left = []
    while unverified.purge():
        db.commit()
        left.append(db.scalar(select(func.count()).select_from(User)))

    assert left == [3, 1]
    assert timedelta(days=7) == unverified.KEPT
    assert db.scalar(select(func.count()).select_from(User)) == 0

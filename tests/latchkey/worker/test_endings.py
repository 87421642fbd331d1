"""Letters before tokens end, and the end of those that nobody uses."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from subprocess import PIPE
from threading import Barrier

import pytest
from sqlalchemy import select

from latchkey import tokens
from latchkey.accounts import users
from latchkey.journal import activity
from latchkey.mail.outbox import Letter
from latchkey.settings import ROOT
from latchkey.store.session import db as session
from latchkey.tokens import Renewal, Token
from latchkey.worker import endings
from tests.factories import make_token, make_user

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def templates(app):
    """Letters are written with the application's templates."""
    with app.app_context():
        yield


def used(db, token, clock):
    token.last_used_at, token.last_used_address, token.last_used_agent = clock.now(), "203.0.113.9", "curl/8"
    db.commit()


def letters(db):
    """The subjects of what was posted since the last time."""
    db.expire_all()
    found = db.scalars(select(Letter).order_by(Letter.id)).all()
    subjects = [letter.subject for letter in found]
    for letter in found:
        db.delete(letter)
    db.commit()
    return subjects


def days_pass(db, clock, days):
    """Somebody looks every six hours; the letters of each day that had some, by day."""
    told = {}
    for day in range(days):
        for _ in range(4):
            clock.move(hours=6)
            while endings.remind():
                pass
        if subjects := letters(db):
            told[day] = subjects
    return told


@pytest.mark.standard("I-09")
def test_a_letter_comes_seven_days_and_one_day_before_the_end_each_once(db, alice, clock):
    token = make_token(alice, description="Nightly backup", lifetime=30 * DAY).token
    used(db, token, clock)

    told = days_pass(db, clock, 31)

    assert told == {22: ["Token expires in 7 days: Nightly backup"], 28: ["Token expires in 1 day: Nightly backup"]}


def test_a_token_that_was_never_used_gets_one_letter(db, alice, clock):
    make_token(alice, description="Idle", lifetime=30 * DAY)

    assert list(days_pass(db, clock, 31).values()) == [["Token expires in 7 days: Idle"]]


@pytest.mark.parametrize("days, number", [(7, 1), (1, 0), (2, 1), (8, 2)])
def test_short_lived_tokens_are_told_of_as_far_as_it_makes_sense(db, alice, clock, days, number):
    token = make_token(alice, lifetime=days * DAY).token
    used(db, token, clock)

    assert len([each for told in days_pass(db, clock, days).values() for each in told]) == number


@pytest.mark.unnoted("others run the same lines")
def test_many_tokens_are_one_letter_a_day(db, alice, clock):
    for number in range(30):
        used(db, make_token(alice, description=f"T{number}", lifetime=30 * DAY + number * HOUR).token, clock)

    told = days_pass(db, clock, 33)

    assert all(len(subjects) == 1 for subjects in told.values())
    # All of them are told of in time, by letters that list several.
    assert len(told) <= 5
    assert {token.reminded_days for token in db.scalars(select(Token))} == {1}


@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize("why", ["off", "disabled", "unverified", "revoked", "endless", "former"])
def test_there_is_no_letter_where_none_is_wanted(db, alice, clock, why):
    token = make_token(alice, lifetime=None if why == "endless" else 30 * DAY).token
    used(db, token, clock)
    if why == "off":
        users.set_reminders(alice, on=False)
    elif why == "disabled":
        users.disable(alice)
    elif why == "unverified":
        alice.email_verified_at = None
    elif why == "revoked":
        tokens.revoke(token)
    elif why == "former":
        tokens.regenerate(token, Renewal(lifetime=None, as_before=False, keep=7 * DAY))
    db.commit()

    assert days_pass(db, clock, 31) == {}


def test_a_renewed_token_is_told_of_anew(db, alice, clock):
    token = make_token(alice, lifetime=30 * DAY).token
    used(db, token, clock)
    days_pass(db, clock, 24)
    tokens.regenerate(db.get(Token, token.id))
    db.commit()

    assert list(days_pass(db, clock, 24)) == [22]


@pytest.mark.standard("I-09")
def test_four_workers_write_each_letter_once(app, db, clock):
    people = [make_user(f"u{number}@example.com") for number in range(12)]
    for user in people:
        used(db, make_token(user, lifetime=30 * DAY).token, clock)
    clock.move(days=23)
    together = Barrier(4)

    def work(_):
        with app.app_context():
            together.wait()
            endings.remind()
            session.remove()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert sorted(db.scalars(select(Letter.recipient))) == sorted(user.email for user in people)


def idle_days(db, clock, days, step=1):
    told = {}
    for day in range(step, days + 1, step):
        clock.move(days=step)
        while endings.end_disused():
            pass
        if subjects := letters(db):
            told[day] = subjects
    return told


def test_without_the_setting_nothing_ends_for_want_of_use(db, alice, clock):
    token = make_token(alice, lifetime=None).token

    assert idle_days(db, clock, 400, step=40) == {}
    assert token.status == "active"


@pytest.mark.settings(token_disused_days="120")
def test_a_disused_token_ends_after_a_letter_and_not_sooner(db, alice, clock):
    token = make_token(alice, description="Old", lifetime=None).token

    told = idle_days(db, clock, 119, step=7)
    assert list(told.values()) == [["Tokens that you do not use will end"]]
    assert token.status == "active"
    idle_days(db, clock, 14, step=7)

    db.expire_all()
    assert token.status == "revoked"
    assert [event.kind for event in activity.list_for(alice, group="token")] == ["token.disused"]


@pytest.mark.settings(token_disused_days="120")
def test_one_that_was_disused_for_long_before_gets_its_notice_too(db, alice, clock):
    token = make_token(alice, lifetime=None).token
    clock.move(days=500)

    assert list(idle_days(db, clock, 14)) == [1]
    assert db.get(Token, token.id).status == "active"
    idle_days(db, clock, 2)
    assert db.get(Token, token.id, populate_existing=True).status == "revoked"


@pytest.mark.settings(token_disused_days="120")
def test_a_call_after_the_letter_keeps_it(db, alice, clock):
    token = make_token(alice, lifetime=None).token
    idle_days(db, clock, 110, step=10)
    used(db, token, clock)

    assert idle_days(db, clock, 100, step=10) == {}
    assert db.get(Token, token.id, populate_existing=True).status == "active"


@pytest.mark.settings(token_disused_days="120")
def test_one_whose_children_work_is_in_use(db, alice, clock):
    token = make_token(alice, scopes=["tokens:write"], lifetime=None).token
    make_token(alice, scopes=["tokens:write"], parent=token, lifetime=None)

    idle_days(db, clock, 104, step=13)

    assert db.get(Token, token.id, populate_existing=True).told_disused_at is None


PROCESS = """
import sys
from datetime import datetime
from app import create_app
from latchkey import clock
from latchkey.worker import endings
app = create_app()
clock.now = lambda: datetime.fromisoformat(sys.argv[1])
with app.app_context():
    print("ready", flush=True)
    sys.stdin.readline()
    endings.remind()
"""


@pytest.mark.slow("starts two processes")
@pytest.mark.standard("I-09")
def test_two_processes_write_each_letter_once(app, settings, db, clock):
    people = [make_user(f"u{number}@example.com") for number in range(12)]
    for user in people:
        used(db, make_token(user, lifetime=30 * DAY).token, clock)
    clock.move(days=23)
    db.remove()
    given = {"LATCHKEY_INSTANCE": str(settings.instance), "LATCHKEY_DATABASE_URL": settings.database_url}
    asked = [sys.executable, "-c", PROCESS, clock.now().isoformat()]
    running = [subprocess.Popen(asked, cwd=ROOT, env=given, stdin=PIPE, stdout=PIPE, text=True) for _ in range(2)]

    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=240) and process.returncode for process in running] == [0, 0]

    assert sorted(db.scalars(select(Letter.recipient))) == sorted(user.email for user in people)

"""What a thief's browser does at the very moment in which its owner locks it out: nothing of it may last (M-01).

Each race is run a few times: loops that sign in, make tokens and ask for codes, while a password is changed or reset,
or the account is suspended. Whatever was begun before is over afterwards.
"""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from latchkey import tokens
from latchkey.accounts import links, sessions, users
from latchkey.accounts.links import Purpose
from latchkey.safety import lockdown, signin
from latchkey.store.session import db as database_session
from latchkey.tokens import access
from tests import factories, pages
from tests.factories import PASSWORD
from tests.oauth import conftest as browsers
from tests.oauth import dance

pytestmark = pytest.mark.slow("many threads meet, round after round")

NEW = "lantern-orchid-57-gravel"
LOOPS = 8


@contextmanager
def loops(act):
    """Eight threads that do something over and over, from before until after what happens within."""
    stop, begun = threading.Event(), threading.Barrier(LOOPS + 1)
    results = []

    def again(number):
        act(number, results)
        begun.wait()
        while not stop.is_set():
            act(number, results)

    with ThreadPoolExecutor(LOOPS) as pool:
        running = [pool.submit(again, number) for number in range(LOOPS)]
        begun.wait()
        try:
            yield results
        finally:
            stop.set()
            for loop in running:
                loop.result()
    database_session.remove()


def resets(app, alice, **fields):
    browser, plaintext = app.test_client(), links.issue(alice, Purpose.RESET_PASSWORD)
    database_session.commit()
    browser.get(f"/reset-password/{plaintext}")
    assert pages.submit(browser, "/reset-password", password=NEW, **fields).status_code == 303


def changes(app, alice):
    browser = browsers.enter(app.test_client(), alice)
    answer = pages.submit(browser, "/settings/password", form="/settings", current=PASSWORD, password=NEW)
    assert answer.status_code == 303


def is_suspended_for_a_moment(app, alice):
    with app.app_context():
        lockdown.suspend(users.find(alice.id))
        database_session.commit()
        lockdown.restore(users.find(alice.id))
        database_session.commit()


@pytest.mark.standard("M-01", "L-07")
@pytest.mark.parametrize("happens", [resets, changes])
def test_no_session_that_was_being_opened_outlives_a_lockdown(app, alice, happens, monkeypatch):
    monkeypatch.setattr("latchkey.accounts.throttle.admit", lambda *counters, **_: counters)

    def sign_in(_number, _results):
        if happened.is_set():
            return
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/login")), "email": alice.email, "password": PASSWORD}
        assert browser.post("/login", data=form).status_code in (303, 422)

    happened = threading.Event()
    with loops(sign_in):
        happened.set()
        happens(app, alice)

    # Of a change, the browser that made it goes on.
    assert len(sessions.list_live(alice)) == (1 if happens is changes else 0)


@pytest.mark.standard("M-01", "I-08")
def test_no_session_for_a_password_that_was_right_before_a_suspension_is_there_after_it(app, alice):
    barrier = threading.Barrier(LOOPS + 1)

    def sign_in(_number):
        with app.test_request_context():
            proof = signin.attempt(alice.email, PASSWORD)
            barrier.wait()
            try:
                signin.enter(proof)
                database_session.commit()
            except sessions.NotOpened:
                pass
            finally:
                database_session.remove()

    with ThreadPoolExecutor(LOOPS) as pool:
        running = [pool.submit(sign_in, number) for number in range(LOOPS)]
        barrier.wait()
        is_suspended_for_a_moment(app, alice)
        for one in running:
            one.result()

    database_session.remove()
    assert sessions.list_live(alice) == []


@pytest.mark.standard("L-07", "I-08")
@pytest.mark.parametrize("happens", ["reset", "suspend"])
def test_no_token_that_was_being_made_outlives_a_lockdown(app, alice, happens):
    thieves = [browsers.enter(app.test_client(), alice) for _ in range(LOOPS)]
    numbers = iter(range(100_000))

    def make(number, results):
        page = thieves[number].get("/tokens/new")
        if page.status_code != 200:
            return
        fields = {
            "csrf_token": pages.csrf(page),
            "form_id": re.search(r'name="form_id"[^>]*value="([^"]+)"', page.text)[1],
            "description": f"Token {next(numbers)}",
            "scope": "account:read",
            "expires": "7",
        }
        made = re.search(r"lk_dev_\w{36}", thieves[number].post("/tokens/new", data=fields).text)
        if made:
            results.append(made.group())

    with loops(make) as made:
        if happens == "reset":
            resets(app, alice, revoke="y")
        else:
            is_suspended_for_a_moment(app, alice)

    assert made
    assert tokens.page(alice, status="active").tokens == []
    for plaintext in made:
        with pytest.raises(access.InvalidToken):
            access.admit(plaintext)


def is_hacked(app, alice):
    browser = browsers.enter(app.test_client(), alice)
    assert pages.submit(browser, "/hacked", since="7").status_code in (200, 303)


def resets_and_revokes(app, alice):
    resets(app, alice, revoke="y")


@pytest.mark.standard("L-07", "I-08", "I-09")
@pytest.mark.parametrize("happens", [resets_and_revokes, is_suspended_for_a_moment, is_hacked])
@pytest.mark.parametrize("keep", [0, 3600])
def test_no_token_that_was_being_regenerated_outlives_a_lockdown(app, alice, happens, keep):
    scripts = [factories.make_token(alice, scopes=["tokens:write"], description=f"Job {n}") for n in range(LOOPS)]
    strings = {n: script.plaintext for n, script in enumerate(scripts)}
    program, known = app.test_client(), [script.plaintext for script in scripts]

    def regenerate(number, results):
        answer = app.test_client().post(
            f"/v1/tokens/{scripts[number].token.id}/regenerate",
            headers={"Authorization": f"Bearer {strings[number]}"},
            json={"keep_old_seconds": keep},
        )
        if answer.status_code == 200:
            strings[number] = answer.json["token"]
            results.append(strings[number])

    with loops(regenerate) as made:
        happens(app, alice)

    assert len(made) >= LOOPS
    for plaintext in (*known, *made):
        assert not dance.works(program, plaintext)


@pytest.mark.standard("C-10", "L-07")
@pytest.mark.parametrize("happens", [resets, is_suspended_for_a_moment])
def test_no_code_of_a_session_that_ended_is_redeemed(app, alice, bob, happens):
    registered = factories.make_client(bob)
    thieves = [browsers.enter(app.test_client(), alice) for _ in range(LOOPS)]

    def ask(number, results):
        page = dance.authorize(thieves[number], registered)
        if page.status_code == 200 and "handle" in page.text:
            page = dance.decide(thieves[number], page)
        code = re.search(r"[?&]code=([^&]+)", page.headers.get("Location", ""))
        if code:
            results.append(code[1])

    with loops(ask) as codes:
        happens(app, alice)

    assert codes
    program = app.test_client()
    assert [dance.redeem(program, registered, code).status_code for code in codes] == [400] * len(codes)


@pytest.mark.standard("C-10")
def test_a_code_dies_with_the_session_that_asked_for_it(app, alice, bob):
    registered, browser, program = (
        factories.make_client(bob),
        browsers.enter(app.test_client(), alice),
        app.test_client(),
    )
    code = dance.code(browser, registered)

    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/"))})

    assert dance.redeem(program, registered, code).status_code == 400


@pytest.mark.standard("C-07")
def test_a_code_is_recognised_when_it_is_replayed_after_signing_out(app, alice, bob):
    registered, browser, program = (
        factories.make_client(bob),
        browsers.enter(app.test_client(), alice),
        app.test_client(),
    )
    code = dance.code(browser, registered)
    issued = dance.redeem(program, registered, code).json
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/"))})
    before = dance.works(program, issued["access_token"])

    dance.redeem(program, registered, code)

    assert before
    assert not dance.works(program, issued["access_token"])


@pytest.mark.standard("M-01")
@pytest.mark.parametrize("ends", [sessions.end, lambda session: lockdown.suspend(session.user)])
def test_a_session_that_ended_meanwhile_holds_nothing(app, db, alice, ends):
    session = sessions.open(alice)
    db.commit()
    with app.app_context():
        ends(session)
        db.commit()

    with pytest.raises(sessions.SessionEnded):
        sessions.hold(session)


@pytest.mark.standard("M-02")
def test_a_session_with_another_id_meanwhile_holds_nothing_for_the_old_one(db, alice):
    session = sessions.open(alice)
    old = session.plaintext
    sessions.reauthenticate(session)
    db.commit()
    assert sessions.hold(session) is alice

    session.plaintext = old
    with pytest.raises(sessions.SessionEnded):
        sessions.hold(session)

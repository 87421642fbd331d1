"""From the first page to the first key, as one person's story; and what many do at the same time."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import func, select

from latchkey.accounts import limits, links, passwords, sessions, users
from latchkey.accounts.links import Purpose
from latchkey.accounts.users import User
from latchkey.store.session import db as database_session
from tests import pages
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.slow("many threads meet, round after round")

NEW = "lantern-orchid-57-gravel"
CROWD = 16


def test_a_person_comes_looks_round_forgets_returns_and_leaves(app, mailbox):
    browser = app.test_client()
    assert "Sign up free" in browser.get("/").text
    pages.submit(browser, "/signup", name="Ada", email="ada@example.com", password=PASSWORD)
    first = mailbox.last("ada@example.com").link("/verify-email/")

    pages.sign_in(browser, users.find_by_email("ada@example.com"))
    assert browser.get("/tokens").status_code == 200
    assert "Verify your e-mail address." in browser.get("/").text

    assert pages.submit(browser, first).location == "/"
    assert "Verify your e-mail address." not in browser.get("/").text

    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/"))})
    pages.submit(browser, "/forgot-password", email="ada@example.com")
    browser.get(mailbox.last("ada@example.com").link("/reset-password/"))
    pages.submit(browser, "/reset-password", password=NEW)
    pages.sign_in(browser, users.find_by_email("ada@example.com"), NEW)

    pages.submit(browser, "/settings/delete", form="/settings", email="ada@example.com", password=NEW)
    assert users.find_by_email("ada@example.com") is None
    assert browser.get("/settings").status_code == 303


def at_once(act, crowd=CROWD):
    """What each of a crowd got who were let go at the same moment."""
    barrier = threading.Barrier(crowd)

    def one(number):
        return act(number, barrier)

    with ThreadPoolExecutor(crowd) as pool:
        return list(pool.map(one, range(crowd)))


def test_of_sixteen_who_use_one_reset_link_one_succeeds(app, db, alice, monkeypatch):
    # However many new passwords are hashed at a time.
    monkeypatch.setattr(passwords, "AT_ONCE", CROWD)
    plaintext = links.issue(alice, Purpose.RESET_PASSWORD)
    db.commit()

    def reset(number, barrier):
        browser = app.test_client()
        page = browser.get(f"/reset-password/{plaintext}", follow_redirects=True)
        barrier.wait()
        return browser.post(
            "/reset-password", data={"csrf_token": pages.csrf(page), "password": f"{NEW}-{number}"}
        ).status_code

    statuses = at_once(reset)

    database_session.remove()
    winner = statuses.index(303)
    assert sorted(statuses) == [303] + [410] * (CROWD - 1)
    assert users.authenticate(users.find_by_email(alice.email), f"{NEW}-{winner}")
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD) is None


def test_of_sixteen_who_press_verify_at_once_one_is_signed_in(app, db, mailbox):
    newcomer = app.test_client()
    pages.submit(newcomer, "/signup", name="Carol", email="carol@example.com", password=PASSWORD)
    link = mailbox.last("carol@example.com").link("/verify-email/")

    def verify(_, barrier):
        browser = pages.same_browser(newcomer, app.test_client())
        form = {"csrf_token": pages.csrf(browser.get(link))}
        barrier.wait()
        return browser.post(link, data=form).status_code

    statuses = at_once(verify)

    assert sorted(statuses) == [303] + [410] * (CROWD - 1)
    assert len(sessions.list_live(users.find_by_email("carol@example.com"))) == 1


@pytest.mark.settings(quota_letters="16/hour")
def test_sixteen_who_sign_up_with_one_address_make_one_account(app, db):
    def sign_up(number, barrier):
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/signup")), "name": f"Ada {number}", "password": PASSWORD}
        barrier.wait()
        answer = browser.post("/signup", data={**form, "email": "ada@example.com"})
        return answer.status_code, "Check your e-mail" in answer.text

    assert set(at_once(sign_up)) == {(200, True)}
    assert db.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.standard("L-08")
def test_of_two_who_take_one_address_at_once_one_gets_it(app, db, mailbox):
    wanted = "wanted@example.com"
    people = [make_user(f"{name}@example.com") for name in ("ada", "bob", "cleo", "dan")]
    browsers = [pages.sign_in(app.test_client(), person) for person in people]
    confirmations = []
    for browser, person in zip(browsers, people, strict=True):
        plaintext = links.issue(person, Purpose.CHANGE_EMAIL, email=wanted)
        db.commit()
        confirmations.append((browser, f"/confirm-email/{plaintext}"))

    def confirm(number, barrier):
        browser, path = confirmations[number]
        form = {"csrf_token": pages.csrf(browser.get(path))}
        barrier.wait()
        return browser.post(path, data=form).status_code

    statuses = at_once(confirm, len(people))

    database_session.remove()
    assert sorted(statuses) == [303, 410, 410, 410]
    assert users.find_by_email(wanted).id == people[statuses.index(303)].id


def test_eight_browsers_of_one_person_sign_in_at_once(app, alice):
    def sign_in(_, barrier):
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/login")), "email": alice.email, "password": PASSWORD}
        barrier.wait()
        return browser.post("/login", data=form).status_code

    statuses = at_once(sign_in, 8)

    assert statuses == [303] * 8
    assert len(sessions.list_live(alice)) == 8


@pytest.mark.standard("L-05")
def test_sixteen_guesses_at_once_are_all_counted(app, alice, monkeypatch):
    # However many are looked at at a time.
    monkeypatch.setattr(passwords, "AT_ONCE", 16)

    def guess(number, barrier):
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/login")), "email": alice.email, "password": f"guess {number}"}
        barrier.wait()
        return browser.post("/login", data=form).status_code

    assert sorted(at_once(guess)) == [422] * 10 + [429] * 6


@pytest.mark.standard("L-05")
def test_of_one_account_few_passwords_are_looked_at_at_a_time_and_nobody_else_waits(app, alice, bob):
    def answer(user, password=PASSWORD):
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/login")), "email": user.email, "password": password}
        return browser.post("/login", data=form)

    with ExitStack() as looked_at:
        for _ in range(passwords.AT_ONCE):
            looked_at.enter_context(passwords.few(alice.id))
        refused = [answer(alice, password) for password in [*10 * ["a wrong one"], PASSWORD]]
        others = answer(bob)

    assert {(each.status_code, each.headers["Retry-After"]) for each in refused} == {(429, "1")}
    assert others.status_code == 303
    # None of them was a guess.
    assert answer(alice).status_code == 303


@pytest.mark.standard("L-05")
def test_a_strangers_try_takes_no_place_before_it_is_counted(app, alice, monkeypatch):
    counted, entered = limits.sign_in, []
    monkeypatch.setattr(passwords, "AT_ONCE", 1)

    def answer(password):
        browser = app.test_client()
        form = {"csrf_token": pages.csrf(browser.get("/login")), "email": alice.email, "password": password}
        return browser.post("/login", data=form).status_code

    def sign_in(*args, **kwargs):
        if not entered:
            entered.append(None)
            with ThreadPoolExecutor(1) as owner:
                entered.append(owner.submit(answer, PASSWORD).result())
        return counted(*args, **kwargs)

    monkeypatch.setattr(limits, "sign_in", sign_in)

    assert answer("a wrong one") == 422
    assert entered == [None, 303]


@pytest.mark.parametrize("path", ["/", "/login", "/signup", "/forgot-password", "/settings", "/verify-email"])
def test_no_page_about_an_account_holds_script_style_or_another_host(signed_in, app, path):
    for browser in (signed_in, app.test_client()):
        page = browser.get(path).text
        assert not pages.INLINE.search(page)
        for address in re.findall(r'\s(?:src|href|action)="([^"]*)"', page):
            assert address.startswith(("/", "#")), address

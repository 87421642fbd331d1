"""What goes by mail opens what it was mailed for and no more, and no key of a program opens one of those (E-12)."""

import pytest

from latchkey import credentials
from latchkey.accounts import links, sessions
from latchkey.accounts.links import Purpose
from latchkey.store.session import db
from tests import factories, pages
from tests.oauth import conftest as browsers
from tests.oauth import dance

KINDS = (
    "developer token", "access token", "refresh token", "client secret", "code", "session", "nothing of ours",
    "verification link", "reset link", "link for another address",
)  # fmt: skip


@pytest.fixture
def newcomer(db):
    return factories.make_user("newcomer@example.com", verified=False)


@pytest.fixture
def all_kinds(app, alice, newcomer, example_client):
    browser, program = browsers.enter(app.test_client(), alice), app.test_client(use_cookies=False)
    issued = dance.tokens(browser, example_client)
    made = {
        "developer token": factories.make_token(alice).plaintext,
        "access token": issued["access_token"],
        "refresh token": issued["refresh_token"],
        "client secret": example_client.secret,
        "code": dance.code(browser, example_client),
        "session": sessions.open(alice).plaintext,
        "nothing of ours": credentials.opaque(),
        "verification link": links.issue(newcomer, Purpose.VERIFY_EMAIL),
        "reset link": links.issue(alice, Purpose.RESET_PASSWORD),
        "link for another address": links.issue(alice, Purpose.CHANGE_EMAIL, email="alice@new.example.com"),
    }
    db.commit()
    assert program.get("/v1/me", headers={"Authorization": f"Bearer {made['access token']}"}).status_code == 200
    return made


def places(app, alice, registered):
    """Where a person or a program may bring something, and whether it was taken for a good one."""
    program = app.test_client(use_cookies=False)

    def verifies(text):
        return app.test_client().get(f"/verify-email/{text}").status_code == 200

    def confirms_an_address(text):
        return browsers.enter(app.test_client(), alice).get(f"/confirm-email/{text}").status_code == 200

    def resets_the_password(text):
        browser = app.test_client()
        browser.get(f"/reset-password/{text}")
        return browser.get("/reset-password").status_code == 200

    def is_a_session(text):
        browser = app.test_client()
        with browser.session_transaction() as cookie:
            cookie["_user_id"] = text
            cookie.accessed = True
        return browser.get("/settings").status_code == 200

    def is_found_as_a_token(text):
        browser = browsers.enter(app.test_client(), alice)
        form = {"csrf_token": pages.csrf(browser.get("/tokens")), "token": text}
        return browser.post("/tokens/find", data=form).status_code == 303

    def calls_the_api(text):
        return program.get("/v1/token", headers={"Authorization": f"Bearer {text}"}).status_code == 200

    def passes_the_gateway(text):
        return program.get("/oauth/check", headers={"Authorization": f"Bearer {text}"}).status_code == 200

    def is_a_code(text):
        return dance.redeem(program, registered, text).status_code == 200

    def refreshes(text):
        return dance.refresh(program, registered, text).status_code == 200

    bearers = {"developer token", "access token"}
    return [
        (calls_the_api, bearers),
        (passes_the_gateway, bearers),
        (is_found_as_a_token, {"developer token", "access token", "refresh token"}),
        (is_a_session, {"session"}),
        (confirms_an_address, {"link for another address"}),
        (resets_the_password, {"reset link"}),
        (verifies, {"verification link"}),
        (is_a_code, {"code"}),
        (refreshes, {"refresh token"}),
    ]


@pytest.mark.standard("E-12")
@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_its_own_door_and_no_other(app, alice, example_client, all_kinds, kind):
    for place, welcome in places(app, alice, example_client):
        assert place(all_kinds[kind]) == (kind in welcome), place.__name__


def test_whoever_holds_a_key_of_a_program_may_end_it_and_nothing_else(app, alice, newcomer, all_kinds):
    """What is reported as leaked ends if it is a key; sessions and mailed links are not for strangers to end."""
    program = app.test_client(use_cookies=False)
    for text in all_kinds.values():
        assert program.post("/v1/credentials/revoke", json={"credentials": [text]}).status_code == 202

    assert program.get("/v1/me", headers={"Authorization": f"Bearer {all_kinds['developer token']}"}).status_code == 401
    assert sessions.find(all_kinds["session"]) is not None
    assert links.peek(all_kinds["reset link"], Purpose.RESET_PASSWORD) is not None
    assert links.peek(all_kinds["verification link"], Purpose.VERIFY_EMAIL) is not None

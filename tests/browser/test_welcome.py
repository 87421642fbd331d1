"""The first page of whoever is at home here: found by its words, by mouse and keyboard, on a desktop and a phone."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert, update

from latchkey import clock, ids
from latchkey.accounts.users import User
from latchkey.journal.refusals import CALL, Refusal
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import factories
from tests.browser.conftest import assert_for_everybody, sign_in
from tests.portal.test_welcome_back import let_act

LONG = "شحن" + "W" * 77


def furnish(alice: User, bob: User) -> None:
    """Something under each heading; one name is long, and begins with letters from right to left."""
    now = clock.now()
    made = {name: factories.make_token(alice, description=name).token.id for name in ("Preview bot", "Importer", LONG)}
    change = {
        "Preview bot": {"expires_at": now + timedelta(days=6), "last_used_at": now - timedelta(hours=11)},
        "Importer": {"created_at": now - timedelta(days=200), "expires_at": None},
        LONG: {"last_used_at": now - timedelta(minutes=4), "expires_at": now + timedelta(days=3)},
    }
    for name, values in change.items():
        db.execute(update(Token).where(Token.id == made[name]).values(**values))
    refused = {"id": ids.new_id("rfs"), "user_id": alice.id, "token_id": made[LONG], "endpoint": CALL, "error": "scope"}
    told = {"reason": f"It lacks the scope {'projects:write' * 9}", "detail": "x", "call": "GET /v1/me", "times": 11}
    db.execute(insert(Refusal), [refused | told | {"request_id": "", "at": now, "address": "192.0.2.1"}])
    let_act(alice, factories.make_client(bob, name="Ledger").client, now)
    db.commit()


@pytest.fixture
def home(page: Page, alice: User, bob: User) -> Page:
    furnish(alice, bob)
    sign_in(page, alice)
    page.goto("/")
    return page


def test_what_wants_a_look_is_told_and_led_on_from(either_page, alice, bob):
    furnish(alice, bob)
    page = sign_in(either_page, alice)
    page.goto("/")

    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back, Alice")
    page.get_by_role("region", name="Ends soon").get_by_role("link", name="Renew Preview bot").click()
    expect(page.get_by_label("Description")).to_have_value("Preview bot")
    page.goto("/")
    page.get_by_role("region", name="Not used for 90 days").get_by_role("link", name="Revoke Importer").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back, Alice")
    expect(page.get_by_role("region", name="Not used for 90 days")).to_have_count(0)
    page.get_by_role("region", name="Refused lately").get_by_role("link", name="Look at").click()
    expect(page.get_by_role("heading", name="Refused calls")).to_be_in_viewport()
    page.goto("/")
    page.get_by_role("region", name="Acts for you now").get_by_role("link", name="Ledger").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Authorized applications")
    page.goto("/")
    page.get_by_role("link", name="Create a Token", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tokens")


def test_the_lists_behind_it_hold_what_it_counted(home):
    home.get_by_role("region", name="Ends soon").get_by_role("link", name="All 2").click()

    expect(home.locator(".list__link")).to_have_count(2)
    home.goto("/")
    home.get_by_role("region", name="Not used for 90 days").get_by_role("link", name="All 1").click()
    expect(home.locator(".list__link")).to_have_text(["Importer"])
    home.get_by_role("link", name=re.compile("Not used for 90 days.*take this filter away")).click()
    expect(home.locator(".list__link")).to_have_count(3)


def test_it_is_for_everybody_and_fits_the_narrowest_window(home):
    assert_for_everybody(home, widths=(1280, 390, 320))


def test_the_keyboard_reaches_all_of_it_in_the_order_in_which_it_stands(home):
    home.locator("#main").focus()
    reached = []
    for _ in range(20):
        home.keyboard.press("Tab")
        reached.append(home.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"))

    wanted = ["Create a Token", "Renew Preview bot", "Revoke Importer", "Ledger", "Token or OAuth?"]
    assert [text for text in reached if text in wanted] == wanted

"""Passkeys in Chromium with its virtual authenticator: added, second factor, alone, in the browser's own prompt."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import assert_accessible, assert_fits, sign_in
from tests.factories import PASSWORD


@pytest.fixture
def named_page(open_context, live_server) -> Page:
    """Passkeys belong to a name: the same server by its own, in a browser that has an authenticator."""
    page = open_context(base_url=live_server.url.replace("127.0.0.1", "localhost")).new_page()
    wire = page.context.new_cdp_session(page)
    wire.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options = kind | {"isUserVerified": True, "automaticPresenceSimulation": True}
    wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def leave(page: Page) -> None:
    page.context.clear_cookies()


def test_a_passkey_is_added_and_opens_the_account_in_each_way(named_page, alice):
    page = sign_in(named_page, alice)

    page.goto("/settings/security")
    assert_accessible(page)
    page.get_by_role("link", name="Add a passkey").click()
    assert_accessible(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    assert_accessible(page)
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("link", name="Rename Laptop")).to_be_visible()
    assert_accessible(page)

    # The browser's own prompt in the field, which is asked as soon as the page is there.
    leave(page)
    page.goto("/login")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Welcome")

    # The second factor, after the password; the prompt of before is not there without script.
    leave(page)
    page.route("**/passkeys.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto("/login")
    assert_accessible(page)
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.unroute("**/passkeys.js*")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Welcome")

    page.goto("/login/again?next=/tokens")
    assert_accessible(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tokens")


def test_where_passkeys_do_not_work_a_link_leads_to_where_they_do(page, live_server):
    there = live_server.url.replace("127.0.0.1", "localhost")

    page.goto("/login?next=/tokens")
    page.get_by_role("button", name="Sign in with a passkey").click()
    way = page.get_by_role("alert").get_by_role("link")

    expect(way).to_have_text(f"Open this page at {there.removeprefix('http://')}")
    assert_accessible(page)
    way.click()
    page.wait_for_url(f"{there}/login?next=/tokens")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()

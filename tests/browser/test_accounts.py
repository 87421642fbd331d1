"""Accounts as people use them: in light and dark, on a phone, with script and without."""

import re

from playwright.sync_api import Page, expect

from latchkey.accounts import links, sessions
from latchkey.accounts.links import Purpose
from tests.browser.conftest import assert_accessible, assert_for_everybody, sign_in
from tests.factories import PASSWORD, make_user

NEW = "lantern-orchid-57-gravel"
OPEN = ["/", "/signup", "/login", "/forgot-password", "/verify-email", "/verify-email/no-link", "/reset-password"]
INSIDE = ["/", "/settings"]
WIDTHS = (1280, 390, 320)


# Nine pages, each looked at six times.
def test_every_page_is_accessible_and_fits(page, db, alice):
    for path in OPEN:
        page.goto(path)
        assert_for_everybody(page, WIDTHS)
    sign_in(page, alice)
    for path in INSIDE:
        page.goto(path)
        for summary in page.locator("summary").all():
            summary.click()
        assert_for_everybody(page, WIDTHS)


def test_what_is_wrong_with_a_form_is_read_and_reached_by_keyboard(page):
    page.goto("/signup")
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("password12345678")
    page.get_by_label("Password").press("Enter")

    password = page.get_by_label("Password")
    expect(password).to_be_focused()
    expect(password).to_have_attribute("aria-invalid", "true")
    expect(password).to_have_accessible_description(re.compile("too easy to guess.*12 to 256", re.DOTALL))
    expect(page.get_by_label("Name")).to_have_value("Ada")
    assert_accessible(page)


def test_a_forgotten_password_is_replaced_and_its_link_never_stands_in_the_address(either_page, db, alice):
    page: Page = either_page
    plaintext = links.issue(alice, Purpose.RESET_PASSWORD)
    db.commit()
    page.goto(f"/reset-password/{plaintext}")
    assert page.url.endswith("/reset-password")

    page.get_by_label("New password").fill(NEW)
    page.get_by_label(re.compile("Also revoke my tokens")).check()
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("Your password is changed. Sign in with the new one.").first).to_be_visible()
    sign_in(page, alice, NEW)


def test_a_session_is_ended_where_it_stands(open_context, page, db, alice):
    other = sign_in(open_context().new_page(), alice)
    sign_in(page, alice)
    page.goto("/settings")
    row = page.locator(".sessions__row").filter(has=page.get_by_role("button"))

    row.get_by_role("button", name="End session").click()

    ended = page.locator(".sessions__row").filter(has_text="Signed out")
    expect(ended).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("That browser is signed out.")
    assert page.url.endswith("/settings")
    assert_accessible(page)
    other.goto("/settings")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    assert len(sessions.list_live(alice)) == 1


def test_settings_are_changed(either_page, db, alice):
    page = sign_in(either_page, alice)
    page.goto("/settings")
    page.get_by_label("Name").fill("Alice Liddell")
    page.get_by_role("button", name="Save name").click()
    expect(page.get_by_text("Your name is changed.").first).to_be_visible()

    page.get_by_text("Dark", exact=True).click()
    page.get_by_role("button", name="Save theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed.").first).to_be_visible()

    page.get_by_text("Delete my account").click()
    page.get_by_label("Your e-mail address").fill(alice.email)
    page.get_by_role("button", name="Delete account").click()
    expect(page.get_by_text("Your account and everything in it is deleted.").first).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_whoever_is_not_verified_gets_another_link_by_the_banner(either_page, db):
    page = sign_in(either_page, make_user("carol@example.com", verified=False))
    page.goto("/")

    page.get_by_role("button", name="Resend").click()

    expect(page.get_by_role("heading", name="Verify your e-mail address")).to_be_visible()
    expect(page.get_by_text("A new link is on its way to carol@example.com.").first).to_be_visible()

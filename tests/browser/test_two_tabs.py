"""Several tabs of one browser, sessions that end meanwhile, and mailed links, as people meet them in Chromium."""

import pytest
from playwright.sync_api import Page, expect

from latchkey.accounts import links, sessions, users
from latchkey.accounts.links import Purpose
from tests.browser.conftest import assert_accessible, assert_for_everybody, sign_in
from tests.factories import PASSWORD, make_user


def fill_in_sign_in(page: Page, user) -> None:
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_tokens_form_that_met_an_ended_session_is_there_again(open_context, db, alice, script, elsewhere):
    context = open_context(java_script_enabled=script)
    page = sign_in(context.new_page(), alice)
    page.goto("/tokens/new")
    page.get_by_label("Description").fill("Nightly backup")
    page.get_by_role("checkbox", name="account:read").check()
    if elsewhere:
        sessions.end_all(users.find(alice.id))
        db.commit()
    else:
        context.clear_cookies()

    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("You were signed out meanwhile.")).to_be_visible()
    if script:
        assert_accessible(page)
    fill_in_sign_in(page, alice)

    expect(page.get_by_label("Description")).to_have_value("Nightly backup")
    expect(page.get_by_role("checkbox", name="account:read")).to_be_checked()
    assert page.url.endswith("/tokens/new")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("shown only once")).to_be_visible()


def test_the_sign_in_form_of_a_second_tab_goes_on(open_context, alice):
    context = open_context()
    first, second = context.new_page(), context.new_page()
    second.goto("/login?next=/authorized-apps")
    sign_in(first, alice).goto("/")

    fill_in_sign_in(second, alice)

    expect(second.get_by_role("heading", level=1)).to_have_text("Authorized applications")
    first.reload()
    expect(first.get_by_role("heading", level=1)).to_contain_text("Welcome")


def test_a_sign_in_form_whose_cookie_is_gone_keeps_its_address(open_context, alice):
    context = open_context()
    page = context.new_page()
    page.goto("/login?next=/authorized-apps")
    context.clear_cookies()

    fill_in_sign_in(page, alice)
    expect(page.get_by_text("This page was open for a while")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(alice.email)
    fill_in_sign_in(page, alice)

    expect(page.get_by_role("heading", level=1)).to_have_text("Authorized applications")


def test_the_pages_of_a_mailed_link_are_accessible_and_fit(page, db, alice):
    carol = make_user("carol@example.com", verified=False)
    link = f"/verify-email/{links.issue(carol, Purpose.VERIFY_EMAIL)}"
    db.commit()

    sign_in(page, alice)
    for path, heading in (
        ("/tokens/revoke-all", "Revoke all your tokens?"),
        (link, "This link is for another account"),
    ):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        assert_for_everybody(page, (1280, 320))
    page.get_by_role("button", name="Sign out and go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Verify your e-mail address")
    assert_for_everybody(page, (1280, 320))
    page.get_by_role("button", name="Verify e-mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    assert_for_everybody(page, (1280, 320))
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Welcome")
    expect(page.get_by_text("Verify your e-mail address.")).to_have_count(0)

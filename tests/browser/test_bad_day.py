"""The pages of a bad day: what ends, the report, the new password."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import assert_accessible, assert_fits, sign_in
from tests.factories import PASSWORD, make_client, make_token

NEW = "lantern-orchid-57-gravel"


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_everything_is_ended_and_a_new_password_chosen(open_context, alice, width, scheme):
    make_token(alice)
    make_client(alice, name="Sync helper")
    viewport = {"width": width, "height": 800}
    page = open_context(viewport=viewport, color_scheme=scheme).new_page()
    page.goto("/hacked")
    expect(page.get_by_text("To end everything that acts for you, sign in first.")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("heading", name="I have been hacked")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)
    page.get_by_role("button", name="End everything").click()

    expect(page.get_by_role("heading", name="Everything has ended")).to_be_visible()
    assert re.search(r"/hacked/report/\d{4}-\d\d-\d\d$", page.url)
    expect(page.get_by_text("Sync helper").first).to_be_visible()
    assert_fits(page)
    assert_accessible(page)
    page.get_by_role("textbox", name="New password").fill(NEW)
    page.get_by_role("button", name="Set password").click()

    expect(page.get_by_text("Your password is changed.").first).to_be_visible()
    page.goto("/canaries")
    page.get_by_label("Where you put it").fill("Old laptop")
    page.get_by_role("button", name="Make a canary").click()
    expect(page.get_by_role("textbox", name="Canary", exact=True)).to_have_value(re.compile(r"^lk_dev_\w{36}$"))
    assert_accessible(page)
    assert_fits(page)
    sign_in(open_context().new_page(), alice, NEW)

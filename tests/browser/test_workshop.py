"""“Run the flow” in a browser: as it should be, and broken on purpose."""

import pytest
from playwright.sync_api import Page, expect

from latchkey.accounts.users import User
from tests import factories
from tests.browser.conftest import assert_accessible, assert_fits, sign_in


@pytest.fixture(params=[(1280, True), (390, False)], ids=["wide", "narrow without script"])
def window(request, open_context) -> tuple[Page, bool]:
    width, script = request.param
    return open_context(viewport={"width": width, "height": 800}, java_script_enabled=script).new_page(), script


def looked_at(page: Page, script: bool) -> None:
    if script:
        assert_accessible(page)
    assert_fits(page)


@pytest.mark.standard("K-04")
def test_an_owner_runs_the_flow_and_breaks_it(window, alice: User):
    page, script = window
    mine = factories.make_client(alice, name="Fieldnotes", scopes=["account:read", "activity:read"])
    sign_in(page, alice)
    page.goto(f"/apps/{mine.client.id}")
    page.get_by_role("link", name="Run the flow").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run the flow")
    looked_at(page, script)

    page.get_by_role("button", name="Agree and run").click()
    expect(page.get_by_text("Every step went as it should.")).to_be_visible()
    looked_at(page, script)

    page.get_by_label("Go wrong on purpose").select_option("The code is used twice")
    page.get_by_role("button", name="Agree and run").click()
    expect(page.get_by_text("A code works once.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="invalid_grant")).to_be_visible()
    looked_at(page, script)

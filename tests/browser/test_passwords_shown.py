"""A password that is chosen can be looked at, and is hidden again before it is sent."""

from playwright.sync_api import expect

from tests.browser.conftest import assert_accessible, assert_fits


def test_what_is_typed_is_shown_by_a_switch_and_hidden_when_it_is_sent(open_context):
    page = open_context(viewport={"width": 390, "height": 800}).new_page()
    page.goto("/signup")
    field, switch = page.get_by_label("Password"), page.get_by_role("button", name="Show what you type")
    field.fill("password12345678")

    switch.click()
    expect(field).to_have_attribute("type", "text")
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert_accessible(page)
    assert_fits(page)
    switch.click()
    expect(field).to_have_attribute("type", "password")
    switch.click()
    page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_role("button", name="Create account").click()

    expect(field).to_have_attribute("type", "password")

"""Sixty scopes and thousands of tokens, on a desktop and on a phone, by keyboard."""

import pytest
from playwright.sync_api import expect

from latchkey import clock, scopes
from latchkey.journal.calls import counting
from latchkey.store.session import db
from latchkey.tokens import Token, access
from tests.browser.conftest import assert_accessible, assert_fits, sign_in
from tests.factories import make_token
from tests.portal.tokens.test_many import many
from tests.portal.tokens.test_many_scopes import MANY


@pytest.fixture
def sixty(instance, settings):
    (instance / "scopes.toml").write_text(MANY)


@pytest.mark.own_server
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_a_token_with_two_of_sixty_scopes_is_made_by_keyboard(sixty, open_context, alice, size):
    page = open_context(viewport={"width": size[0], "height": size[1]}).new_page()
    sign_in(page, alice)
    page.goto("/tokens/new")
    expect(page.get_by_role("button", name="Create", exact=True)).to_be_in_viewport()
    page.get_by_label("Description").fill("Robot")

    page.get_by_label("Find a scope").focus()
    page.keyboard.type("verb3 things 2")
    expect(page.get_by_text("No scope has these words.")).to_be_hidden()
    expect(page.locator(".scope:visible")).to_have_count(1)
    page.get_by_label("things2:verb3", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("Find a scope").fill("")
    page.get_by_label("All in group Things 4").check()
    expect(page.locator("[data-scope-count]")).to_have_text("10 of 63 selected")
    chip = page.locator('[data-untick="things4:verb0"]')
    expect(chip).to_be_visible()
    chip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-scope-count]")).to_have_text("9 of 63 selected")
    expect(page.locator('[data-untick="things4:verb1"]')).to_be_focused()
    expect(page.get_by_role("button", name="Create", exact=True)).to_be_in_viewport()
    # The head of the page covers a part of whatever was scrolled beneath it.
    page.evaluate("window.scrollTo(0, 0)")
    assert_accessible(page)
    assert_fits(page)

    page.get_by_role("button", name="Create", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("shown only once")).to_be_visible()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_among_five_thousand_some_are_ticked_and_revoked(open_context, alice, size):
    many(alice, 5_000)
    page = open_context(viewport={"width": size[0], "height": size[1]}).new_page()
    sign_in(page, alice)
    page.goto("/tokens")
    heights = [page.locator(each).bounding_box()["y"] for each in (".filters .pills", "#sorting")]
    assert (heights[0] == heights[1]) == (size[0] > 1000)
    page.get_by_role("link", name="Never used").click()
    expect(page).to_have_url("/tokens?never_used=1")
    page.get_by_label("Sort by").select_option("name")
    expect(page.get_by_role("link", name="Token 0000", exact=True)).to_be_visible()
    for number in range(2):
        page.get_by_label(f"Select Token 000{number}").focus()
        page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)

    page.get_by_role("button", name="Revoke 2 tokens").click()
    expect(page.get_by_role("heading", name="Revoke 2 tokens?")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Revoke 2 tokens").click()

    expect(page.get_by_text("Revoked 2 tokens.")).to_be_visible()
    expect(page.get_by_role("link", name="Token 0002", exact=True)).to_be_visible()


def test_a_status_is_as_wide_beside_many_scopes_as_beside_one(open_context, alice):
    long = " ".join(sorted(scopes.catalogue()))
    many(alice, 2, scope=lambda n: ("account:read", long)[n], revoked_at=lambda _: clock.now())
    page = open_context(viewport={"width": 1280, "height": 800}).new_page()
    sign_in(page, alice)
    page.goto("/tokens?status=ended")

    tags = page.locator(".list__sub .tag")
    expect(tags).to_have_text(["Revoked", "Revoked"])
    assert len(set(tags.evaluate_all("tags => tags.map(tag => tag.clientWidth)"))) == 1


def test_use_is_drawn_and_what_was_not_used_is_removed_and_offered_back(open_context, alice):
    minted = make_token(alice, scopes=["account:read", "tokens:read"], lifetime=None)
    minted.token.created_at = minted.token.created_at.replace(year=minted.token.created_at.year - 1)
    db.commit()
    access.admit(minted.plaintext, ["account:read"], "GET /v1/me")
    counting.flush()
    page = open_context(viewport={"width": 390, "height": 844}).new_page()
    sign_in(page, alice)
    page.goto(f"/tokens/{minted.token.id}")
    expect(page.get_by_role("img", name="Calls a day over 30 days")).to_be_visible()
    page.get_by_text("Show as a table").click()
    page.get_by_text("What would fail without a scope").click()
    page.locator("#would-fail").get_by_label("account:read").check()
    page.get_by_role("button", name="What would fail?").click()
    expect(page.get_by_text("1 call would have been refused")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)

    page.get_by_role("button", name="Remove what was not used").click()

    expect(page.get_by_text("Removed tokens:read.")).to_be_visible()
    expect(page.get_by_role("link", name="Undo")).to_be_visible()
    assert db.get_one(Token, minted.token.id, populate_existing=True).scopes == {"account:read"}


@pytest.mark.own_server
@pytest.mark.parametrize("size", [(1280, 800), (320, 640)], ids=["desktop", "phone"])
def test_the_form_starts_from_a_preset_or_another_token(sixty, open_context, alice, size):
    other = make_token(alice, description="Nightly", scopes=["account:read", "tokens:read"]).token
    page = open_context(viewport={"width": size[0], "height": size[1]}).new_page()
    sign_in(page, alice)
    page.goto("/tokens/new")
    page.get_by_label("Description").fill("Robot")

    page.get_by_role("button", name="Read only").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-scope-count]")).to_have_text("5 of 63 selected")
    expect(page.locator('[data-untick="activity:read"]')).to_be_visible()
    page.get_by_text("As another of my tokens").click()
    page.get_by_label("Same scopes as").select_option(other.id)
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Use its scopes").click()
    expect(page.locator("[data-scope-count]")).to_have_text("2 of 63 selected")
    expect(page.get_by_label("Description")).to_have_value("Robot")
    expect(page).to_have_url("/tokens/new")

    page.get_by_label("Description").press("Enter")
    expect(page.get_by_text("shown only once")).to_be_visible()


def test_without_a_script_a_button_ticks_a_preset_and_enter_creates(page_without_javascript, alice):
    page = page_without_javascript
    sign_in(page, alice)
    page.goto("/tokens/new")
    page.get_by_label("Description").fill("Robot")

    page.get_by_role("button", name="Read only").click()

    expect(page.get_by_label("tokens:read", exact=True)).to_be_checked()
    expect(page.get_by_label("tokens:write", exact=True)).not_to_be_checked()
    page.get_by_label("Description").press("Enter")
    expect(page.get_by_text("shown only once")).to_be_visible()

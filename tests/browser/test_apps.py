"""Apps, authorized applications, activity and the gateway guide, as people use them in Chromium."""

import contextlib
import io
import re
from datetime import timedelta

import pytest
from PIL import Image
from playwright.sync_api import Error, Locator, Page, expect

from latchkey import clients, clock, credentials, grants, notices
from latchkey.credentials import Kind
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from tests.browser.conftest import assert_accessible, assert_for_everybody, sign_in
from tests.factories import CALLBACK, make_client, record_token


def toast(page: Page, text: str) -> None:
    expect(page.locator("#status")).to_contain_text(text)


def register(page: Page) -> str:
    """Registers Fieldnotes as anybody would; its secret."""
    page.goto("/apps")
    page.get_by_role("link", name="New app").click()
    page.get_by_label("Name").fill("Fieldnotes")
    page.get_by_label("Homepage").fill("https://fieldnotes.example")
    page.get_by_label("Redirect URIs").fill("https://fieldnotes.example/callback\nhttp://127.0.0.1/callback")
    page.get_by_role("radio", name="Confidential It has a server").check()
    page.get_by_role("group", name="Scopes").get_by_role("checkbox", name="account:read").check()
    page.get_by_role("button", name="Register app", exact=True).click()
    return page.get_by_label("Client secret", exact=True).input_value()


def uri(page: Page, address: str) -> Locator:
    """An address in the list of the app's redirect URIs."""
    return page.locator("#uris code").get_by_text(address, exact=True)


@pytest.fixture
def mine(alice):
    return make_client(alice, name="Fieldnotes").client


def test_registering_shows_the_secret_once(either_page, alice):
    page = sign_in(either_page, alice)

    secret = register(page)

    assert secret.startswith("lk_sec_")
    expect(page.get_by_text("shown only once")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fieldnotes")
    assert secret not in page.content()
    with contextlib.suppress(Error):
        # Without a script, Chromium itself refuses to show an answer again that was not to be stored.
        page.go_back()
        assert secret not in page.content()


def test_reloading_after_registering_makes_no_second_app(alices_page, alice):
    register(alices_page)

    alices_page.reload()

    expect(alices_page.get_by_role("heading", level=1)).to_have_text("Fieldnotes")
    assert len(clients.list_for(alice)) == 1


def test_faults_stand_beside_their_fields(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/apps/new")
    page.get_by_label("Redirect URIs").fill("http://fieldnotes.example/callback")

    page.get_by_role("button", name="Register app").click()

    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#redirect_uris-error")).to_contain_text("Use https")
    expect(page.locator("#scope-error")).to_contain_text("Choose at least one scope.")


def test_a_logo_is_chosen_and_shown(either_page, alice, mine):
    written = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(written, "WEBP")
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}/edit")

    page.get_by_label("Logo").set_input_files(
        {"name": "l.webp", "mimeType": "image/webp", "buffer": written.getvalue()}
    )
    page.get_by_role("button", name="Save changes").click()

    toast(page, "Changed “Fieldnotes”.")
    width = "async (picture) => { await picture.decode(); return picture.naturalWidth; }"
    assert page.locator(".app-title img").evaluate(width) == 192


def test_redirect_uris_come_and_go(either_page, alice, mine):
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}")
    page.get_by_label("New redirect URI").fill("https://staging.example.com/callback")

    page.get_by_role("button", name="Add URI").click()

    expect(uri(page, "https://staging.example.com/callback")).to_be_visible()
    page.get_by_role("link", name=f"Remove {CALLBACK}").click()
    page.get_by_role("button", name="Keep address").or_(page.get_by_role("link", name="Keep address")).click()
    expect(uri(page, CALLBACK)).to_be_visible()
    page.get_by_role("link", name=f"Remove {CALLBACK}").click()
    page.get_by_role("button", name="Remove address").click()
    expect(page.get_by_text(f"Removed {CALLBACK}.")).to_be_visible()
    expect(page.get_by_role("link", name=f"Remove {CALLBACK}")).to_have_count(0)
    expect(page.get_by_text("An app needs at least one.")).to_be_visible()
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == ["https://staging.example.com/callback"]


def test_a_bad_redirect_uri_is_refused_in_place_and_can_be_repaired(either_page, alice, mine):
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}")
    page.get_by_label("New redirect URI").fill("https://*.example.com/")
    page.get_by_role("button", name="Add URI").click()

    field = page.get_by_label("New redirect URI")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("https://*.example.com/")
    expect(page.get_by_text("Leave out the wildcard")).to_be_visible()

    field.fill("https://good.example.com/")
    page.get_by_role("button", name="Add URI").click()
    expect(uri(page, "https://good.example.com/")).to_be_visible()


def test_with_a_script_the_page_stays_and_the_focus_too(alices_page, mine):
    alices_page.goto(f"/apps/{mine.id}")
    alices_page.evaluate("window.stayed = true")

    alices_page.get_by_label("New redirect URI").fill("nonsense")
    alices_page.get_by_role("button", name="Add URI").click()
    expect(alices_page.get_by_label("New redirect URI")).to_be_focused()
    alices_page.get_by_label("New redirect URI").fill("https://good.example.com/")
    alices_page.keyboard.press("Enter")
    expect(uri(alices_page, "https://good.example.com/")).to_be_visible()
    expect(alices_page.get_by_label("New redirect URI")).to_be_focused()

    alices_page.get_by_role("link", name="Python", exact=True).click()
    expect(alices_page.get_by_role("region", name="Quickstart, Python")).to_contain_text(mine.id)
    expect(alices_page.get_by_role("link", name="Python", exact=True)).to_be_focused()
    assert alices_page.evaluate("window.stayed")


@pytest.mark.parametrize(
    "language, words", [("curl", "openssl"), ("Python", "OAuth2Session"), ("JavaScript", "oauth4webapi")]
)
def test_the_quickstart_is_there_in_each_language(either_page, alice, mine, language, words):
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}")

    page.get_by_role("navigation", name="Language").get_by_role("link", name=language, exact=True).click()

    code = page.get_by_role("region", name=f"Quickstart, {language}")
    expect(code).to_contain_text(words)
    expect(code).to_contain_text(mine.id)


def test_rotating_shows_a_new_secret_and_the_old_one_is_ended(either_page, alice, mine):
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}")

    page.get_by_role("link", name="Rotate secret").click()
    page.get_by_role("button", name="Rotate secret").click()
    secret = page.get_by_label("Client secret", exact=True).input_value()
    page.get_by_role("link", name="Done").click()

    expect(page.get_by_text(f"lk_sec_…{secret[-4:]}")).to_be_visible()
    page.get_by_role("link", name="End now").click()
    page.get_by_role("button", name="End secret").click()
    toast(page, "no longer works")
    expect(page.get_by_text("Old client secret")).to_have_count(0)


def test_a_dialog_is_left_without_a_consequence(alices_page, mine):
    alices_page.goto(f"/apps/{mine.id}")
    alices_page.get_by_role("link", name="Delete app").click()
    dialog = alices_page.get_by_role("dialog", name="Delete “Fieldnotes”?")
    expect(dialog.get_by_role("button", name="Keep app")).to_be_focused()
    assert_accessible(alices_page)

    alices_page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    expect(alices_page.get_by_role("link", name="Delete app")).to_be_focused()
    assert clients.find(mine.id)


def test_everybody_is_cut_off_and_the_app_deleted(either_page, alice, bob, mine):
    grants.allow(bob, mine, {"account:read"})
    session.commit()
    page = sign_in(either_page, alice)
    page.goto(f"/apps/{mine.id}")

    page.get_by_role("link", name="Cut off all users").click()
    page.get_by_role("button", name="Cut off all users").click()
    toast(page, "Cut off 1 person")
    page.get_by_role("link", name="Delete app").click()
    page.get_by_role("button", name="Delete app").click()

    toast(page, "Deleted “Fieldnotes”.")
    expect(page.get_by_role("heading", name="No apps yet")).to_be_visible()


def test_access_is_taken_back_from_an_app(either_page, alice, bob):
    ledger = make_client(bob, name="Ledger").client
    grants.allow(alice, ledger, {"account:read"})
    session.commit()
    page = sign_in(either_page, alice)
    page.goto("/authorized-apps")
    expect(page.get_by_text("See your name and e-mail address")).to_be_visible()

    page.get_by_role("link", name="Revoke access of Ledger").click()
    page.get_by_role("button", name="Revoke access").click()

    toast(page, "Ledger can no longer act for you.")
    expect(page.get_by_role("heading", name="No apps act for you")).to_be_visible()
    assert grants.list_for(alice) == []


def happened(user, count=60):
    for number in range(count):
        activity.record(user, EventKind.TOKEN_CREATED, description=f"number {number}", token_id="tok_" + "0" * 28)
    activity.record(user, EventKind.SIGN_IN_FAILED)
    session.commit()


def test_activity_is_filtered_searched_and_followed_into_the_past(either_page, alice):
    happened(alice)
    page = sign_in(either_page, alice)
    page.goto("/activity")
    expect(page.get_by_text("Look twice")).to_be_visible()

    page.get_by_role("link", name="Tokens", exact=True).last.click()
    expect(page.get_by_text("Look twice")).to_have_count(0)
    expect(page).to_have_url(re.compile("kind=tokens"))
    page.get_by_role("link", name="Show older").click()
    expect(page.get_by_text("number 0", exact=True)).to_be_visible()

    page.goto("/activity")
    page.get_by_label("Search activity").fill("number 33")
    page.get_by_role("search").get_by_role("button", name="Search").click()
    expect(page.locator(".log > li")).to_have_count(1)


def test_with_a_script_older_events_follow_and_take_the_focus(alices_page, alice):
    happened(alice)
    alices_page.goto("/activity?kind=tokens")

    alices_page.get_by_role("link", name="Show older").click()

    expect(alices_page.locator(".log > li")).to_have_count(60)
    expect(alices_page.get_by_role("heading", name="Today, earlier")).to_be_focused()


def test_activity_is_taken_away(alices_page, alice):
    happened(alice, 3)
    alices_page.goto("/activity")

    for name, end in (("Download CSV", ".csv"), ("Download JSON", ".json")):
        with alices_page.expect_download() as download:
            alices_page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename.endswith(end)


# A dozen pages, each looked at four times.
def test_every_page_is_accessible_and_fits(page, alice, bob):
    mine = make_client(alice, name="A name as long as a name can be, to see that it still fits", pkce_required=False)
    clients.rotate_secret(mine.client, by=None)
    ledger = make_client(bob, name="Ledger").client
    for _ in range(2):
        begun = grants.allow(alice, ledger, {"account:read"})
        ends_at = clock.now() + timedelta(hours=1)
        plaintext = credentials.generate(Kind.ACCESS)
        record_token(plaintext, kind=Kind.ACCESS, grant=begun, scopes=begun.scopes, expires_at=ends_at)
    notices.sign_in_failed(alice)
    session.commit()
    sign_in(page, alice)
    app = f"/apps/{mine.client.id}"

    for path in (
        "/apps",
        "/apps/new",
        app,
        f"{app}?lang=javascript",
        f"{app}/edit",
        f"{app}/secret/rotate",
        f"{app}/cut-off",
        f"{app}/consent",
        "/authorized-apps",
        "/activity",
        "/docs/gateways",
    ):
        page.goto(path)
        assert_for_everybody(page)
    page.goto("/authorized-apps")
    page.get_by_role("button", name="Pause everything").click()
    expect(page.get_by_text("Everything that acts for you is paused", exact=True)).to_be_visible()
    assert_for_everybody(page)

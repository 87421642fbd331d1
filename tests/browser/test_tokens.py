"""Developer tokens as people use them: with script and without, by mouse and by keyboard."""

import contextlib
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Error, Page, expect
from sqlalchemy import select

from latchkey import scopes, tokens
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from tests import programs
from tests.browser.conftest import assert_accessible, assert_for_everybody, sign_in
from tests.factories import make_token

TOTAL = len(scopes.SHIPPED)
PASSWORD = "seven-lanterns-on-a-quay"


def mail(page: Page, subject: str) -> None:
    """Open the newest letter of that subject, once it has come."""
    found = page.get_by_role("link", name=subject).first
    page.goto("/dev/mail")
    for _ in range(50):
        if found.count():
            break
        page.wait_for_timeout(200)
        page.reload()
    found.click()


def fill_in(page: Page, description: str = "Nightly backup", *names: str) -> None:
    page.get_by_label("Description").fill(description)
    for scope in names or ("account:read",):
        page.get_by_label(scope, exact=True).check()


def create(page: Page, description: str = "Nightly backup", *names: str) -> str:
    """Through the form to the summary; the token."""
    page.goto("/tokens/new")
    fill_in(page, description, *names)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("shown only once")).to_be_visible()
    return page.get_by_label("Token", exact=True).input_value()


def descriptions(page: Page) -> list[str]:
    page.goto("/tokens")
    return page.locator(".list__link").all_inner_texts()


def test_a_newcomer_signs_up_makes_a_token_and_calls_the_api(either_page):
    page = either_page
    page.goto("/")
    page.get_by_role("link", name="Sign up free").first.click()
    page.get_by_label("Name").fill("Ada Lindqvist")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()

    mail(page, "Confirm your e-mail address")
    page.get_by_role("link", name=re.compile("verify-email")).first.click()
    page.get_by_role("button", name="Verify e-mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Ada Lindqvist")

    page.get_by_role("link", name="Create a Token", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tokens")
    page.get_by_role("link", name="New", exact=True).click()
    fill_in(page, "Nightly backup", "account:read")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Show once more that it is you")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_label("Description")).to_have_value("Nightly backup")
    expect(page.locator("#status")).to_contain_text("send it once more")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("shown only once")).to_be_visible()
    assert page.locator("#status").inner_text() == ""
    token = page.get_by_label("Token", exact=True).input_value()
    line = page.get_by_role("region", name="Example call").first.inner_text()

    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60)
    record = json.loads(answer.stdout)
    assert (record["name"], record["email"]) == ("Ada Lindqvist", "ada@example.com")
    assert programs.curl() is not None

    page.get_by_role("link", name="Done").click()
    row = page.get_by_role("listitem").filter(has_text="Nightly backup")
    for said in ("account:read", token[-4:], "in 90 days"):
        expect(row).to_contain_text(said)
    mail(page, "New token: Nightly backup")
    text = page.get_by_role("region", name="Text of the letter").inner_text()
    for said in ("Nightly backup", "account:read", "127.0.0.1"):
        assert said in text
    assert token not in text


def test_the_copy_button_puts_the_token_on_the_clipboard(open_context, alice):
    context = open_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = sign_in(context.new_page(), alice)
    token = create(page)

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("copied to the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == token
    page.get_by_role("button", name="to the clipboard").click()
    expect(page.get_by_role("status")).to_contain_text("on the clipboard")
    assert page.evaluate("navigator.clipboard.readText()").startswith(f'curl -H "Authorization: Bearer {token}" http')


def test_select_all_scopes_ticks_and_unticks_everything(alices_page):
    page = alices_page
    page.goto("/tokens/new")
    every = page.get_by_label("Select all scopes")

    every.check()
    expect(page.get_by_text(f"{TOTAL} of {TOTAL} selected")).to_be_visible()
    expect(page.get_by_text(f"This token gets {TOTAL} scopes")).to_be_visible()
    page.get_by_label("account:read", exact=True).uncheck()
    assert every.evaluate("box => box.indeterminate")
    every.check()
    every.uncheck()

    expect(page.get_by_text(f"0 of {TOTAL} selected")).to_be_visible()


def test_select_all_scopes_works_without_script(page_without_javascript, alice):
    page = sign_in(page_without_javascript, alice)
    page.goto("/tokens/new")
    page.get_by_label("Description").fill("Everything")
    page.get_by_label("30 days").check()

    page.get_by_role("button", name="Select all scopes").click()

    boxes = page.get_by_role("checkbox")
    assert boxes.count() == TOTAL
    assert all(boxes.nth(number).is_checked() for number in range(TOTAL))
    expect(page.get_by_label("Description")).to_have_value("Everything")
    expect(page.get_by_label("30 days")).to_be_checked()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("shown only once")).to_be_visible()


def test_a_token_without_an_end_is_advised_against(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/tokens/new")
    advice = page.get_by_text("It works until you revoke it. Choose a date if you can.")
    expect(advice).to_be_hidden()

    page.get_by_text("No expiry", exact=True).click()

    expect(advice).to_be_visible()


def test_enter_creates_and_never_selects_all(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/tokens/new")
    page.get_by_label("account:read", exact=True).check()
    page.get_by_label("Description").fill("By keyboard")

    page.get_by_label("Description").press("Enter")

    expect(page.get_by_text("shown only once")).to_be_visible()
    expect(page.locator("#detected").get_by_role("listitem")).to_have_count(1)


def test_errors_stand_beside_the_fields_and_the_first_has_the_focus(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/tokens/new")
    page.get_by_label("365").or_(page.get_by_label("1 year")).check()

    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_text("Describe what will use this token.")).to_be_visible()
    expect(page.locator("#scope-error")).to_have_text("Choose at least one scope.")
    expect(page.get_by_label("Description")).to_be_focused()
    expect(page.get_by_label("Description")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("1 year")).to_be_checked()


def test_with_script_the_form_is_swapped_and_history_stays_untouched(alices_page):
    page = alices_page
    page.goto("/tokens/new")
    page.evaluate("window.same = true")
    before = page.evaluate("history.length")

    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("Describe what will use this token.")).to_be_visible()
    fill_in(page)
    expect(page.get_by_text("This token gets 1 scope, all read-only,")).to_be_visible()
    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_role("heading", level=1, name="Your token is ready")).to_be_focused()
    expect(page).to_have_title("Token created · Latchkey")
    assert page.evaluate("window.same")
    assert page.evaluate("history.length") == before
    expect(page).to_have_url(re.compile("/tokens/tok_[0-9a-f]{28}$"))
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    assert page.get_by_label("Token", exact=True).input_value() not in kept


@pytest.mark.standard("I-03")
@pytest.mark.parametrize("leave", ["reload", "back and forward", "away and back"])
def test_a_token_that_was_left_is_never_shown_again(either_page, alice, leave):
    page = sign_in(either_page, alice)
    page.goto("/tokens")
    token = create(page)

    # Without script it is the answer to a form; the browser says that it will not send that again by itself.
    with contextlib.suppress(Error):
        if leave == "reload":
            page.reload()
        elif leave == "back and forward":
            page.go_back()
            page.go_forward()
        else:
            page.get_by_role("link", name="Done").click()
            page.go_back()

    page.wait_for_timeout(500)
    assert token not in page.evaluate("document.documentElement.outerHTML")
    assert descriptions(page) == ["Nightly backup"]


@pytest.mark.standard("I-03")
def test_a_page_that_the_browser_kept_comes_back_without_its_secret(alices_page):
    page = alices_page
    token = create(page)

    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")

    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly backup")
    assert token not in page.content()


def test_reloading_after_create_shows_the_token_that_was_made_and_no_empty_form(alices_page):
    token = create(alices_page)

    alices_page.reload()

    expect(alices_page.get_by_role("heading", level=1)).to_have_text("Nightly backup")
    assert token not in alices_page.content()


def test_a_second_submit_leads_to_the_token_and_to_regenerating_it(page_without_javascript, alice):
    page = sign_in(page_without_javascript, alice)
    create(page)

    page.reload()

    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly backup")
    expect(page.get_by_text("This token was already shown.")).to_be_visible()
    page.get_by_role("link", name="regenerate it").click()
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your new token is ready")


def test_two_tabs_do_not_make_two_tokens(alices_page):
    first, second = alices_page, alices_page.context.new_page()
    for tab in (first, second):
        tab.goto("/tokens/new")
        fill_in(tab)

    first.get_by_role("button", name="Create", exact=True).click()
    expect(first.get_by_text("shown only once")).to_be_visible()
    second.get_by_role("button", name="Create", exact=True).click()

    expect(second.get_by_text("You have a token with this description.")).to_be_visible()
    assert descriptions(first) == ["Nightly backup"]


def test_a_date_can_be_chosen(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/tokens/new")
    expect(page.get_by_label("Last day it works")).to_be_hidden()
    fill_in(page)

    page.get_by_label("On a date").check()
    page.get_by_label("Last day it works").fill("2030-02-28")
    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_text("works now and expires on 28 February 2030")).to_be_visible()


@pytest.mark.standard("N-08")
def test_the_sentence_above_create_names_the_chosen_day(alices_page):
    page = alices_page
    page.goto("/tokens/new")
    fill_in(page)
    sentence = page.locator("[data-summary]")

    page.get_by_label("On a date").check()
    expect(sentence).to_contain_text("stops working on the date you choose")
    page.get_by_label("Last day it works").fill("2030-02-28")
    page.get_by_label("Last day it works").press("Tab")

    expect(sentence).to_have_text("This token gets 1 scope, all read-only, and stops working on 28 February 2030.")


def test_a_description_that_is_too_long_is_told_and_not_cut(either_page, alice):
    page = sign_in(either_page, alice)
    page.goto("/tokens/new")
    fill_in(page, "x" * 85)

    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_text("This is 85 characters long; 80 are the most.")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("x" * 85)


def test_people_read_what_a_scope_lets_a_token_do_and_not_the_notes_of_the_api(alices_page, alice):
    token = make_token(alice).token
    for path in ("/tokens/new", f"/tokens/{token.id}"):
        alices_page.goto(path)
        expect(alices_page.get_by_text("See your name and e-mail address")).to_be_visible()
        expect(alices_page.get_by_text("Read the user's record.")).to_have_count(0)


@pytest.mark.parametrize(
    "zone, said",
    [
        ("America/New_York", ["28 Feb 2030", "28 Feb, 20:30"]),
        ("UTC", ["1 Mar 2030", "01:30"]),
        ("Asia/Tokyo", ["1 Mar 2030", "10:30"]),
    ],
)
def test_times_are_told_in_the_readers_own_zone_and_in_utc_on_hover(open_context, alice, db, zone, said):
    at = datetime(2030, 3, 1, 1, 30, tzinfo=UTC)
    token = make_token(alice, description="CI deploy").token
    token.expires_at = at
    db.commit()
    page = sign_in(open_context(timezone_id=zone).new_page(), alice)

    page.goto("/tokens")
    shown = page.get_by_role("listitem").filter(has_text="CI deploy").locator("time").last
    expect(shown).to_have_text(said[0])
    expect(shown).to_have_attribute("title", "1 March 2030, 01:30 UTC")
    activity.record(alice, EventKind.TOKEN_CREATED, token_id=token.id, description=token.description)
    for event in db.scalars(select(Event).where(Event.kind == EventKind.TOKEN_CREATED)):
        event.at = at
    db.commit()
    page.goto("/activity?kind=tokens")
    expect(page.get_by_role("main").locator("time").first).to_have_text(said[1])


def test_without_script_times_are_utc(page_without_javascript, alice, db):
    token = make_token(alice, description="CI deploy").token
    token.expires_at = datetime(2030, 3, 1, 1, 30, tzinfo=UTC)
    db.commit()
    page = sign_in(page_without_javascript, alice)
    page.goto("/tokens")

    expect(page.get_by_role("listitem").filter(has_text="CI deploy")).to_contain_text("1 Mar 2030")


def test_dates_do_not_break_in_rows(open_context, alice):
    make_token(alice, description="A rather long description of a token that goes on and on and on for a while")
    page = sign_in(open_context(viewport={"width": 800, "height": 800}).new_page(), alice)
    page.goto("/tokens")

    lines = page.evaluate("[...document.querySelectorAll('.list time')].map((time) => time.getClientRects().length)")

    assert set(lines) == {1}


@pytest.mark.standard("N-08")
def test_the_whole_form_works_by_keyboard(alices_page):
    page = alices_page
    page.goto("/tokens/new")
    page.get_by_label("Description").focus()
    keys = page.keyboard

    keys.type("By keyboard")
    for key in ("Tab", "Tab", "Tab", "Space", "Tab", "Tab", "Space"):
        keys.press(key)
    expect(page.get_by_label("account:read", exact=True)).to_be_checked()
    for _ in range(20):
        if page.evaluate("document.activeElement.name") == "expires":
            break
        keys.press("Tab")
    keys.press("ArrowLeft")
    expect(page.get_by_label("30 days")).to_be_checked()
    for _ in range(10):
        if page.evaluate("document.activeElement.textContent.trim()") == "Create":
            break
        keys.press("Tab")
    keys.press("Enter")

    expect(page.get_by_role("heading", level=1, name="Your token is ready")).to_be_focused()


# --- the list


def test_filter_and_search_swap_the_list_and_back_returns(alices_page, alice, db):
    make_token(alice, description="Nightly backup")
    make_token(alice, description="CI deploy")
    tokens.revoke(make_token(alice, description="Old laptop").token)
    db.commit()
    page = alices_page
    page.goto("/tokens")
    page.evaluate("window.same = true")

    page.get_by_role("link", name="Expired or revoked").click()
    expect(page.get_by_role("link", name="Old laptop")).to_be_visible()
    expect(page.get_by_role("link", name="Expired or revoked")).to_be_focused()
    expect(page).to_have_url(re.compile(r"/tokens\?status=ended$"))
    page.get_by_role("searchbox").press_sequentially("lap")
    expect(page).to_have_url(re.compile("q=lap"))
    expect(page.get_by_role("link", name="Old laptop")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_role("link", name=re.compile("^Active")).click()
    expect(page.get_by_text("No active token matches “lap”")).to_be_visible()
    assert page.evaluate("window.same")

    page.go_back()
    expect(page.get_by_role("link", name="Old laptop")).to_be_visible()
    page.goto("/tokens")
    page.get_by_role("searchbox").fill("deploy")
    expect(page.get_by_role("link", name="Nightly backup", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="CI deploy", exact=True)).to_be_visible()


def test_older_tokens_are_a_page_away(either_page, alice):
    for number in range(51):
        make_token(alice, description=f"Token {number:02}")
    page = sign_in(either_page, alice)
    page.goto("/tokens")

    page.get_by_role("link", name="Next").click()

    expect(page.get_by_role("link", name="Token 00", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Token 50", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_role("link", name="Token 50", exact=True)).to_be_visible()


def test_revoking_asks_in_a_dialog_that_starts_on_the_safe_side(alices_page, alice):
    make_token(alice, description="CI deploy")
    page = alices_page
    page.goto("/tokens")
    opener = page.get_by_role("link", name="Revoke CI deploy")

    opener.focus()
    opener.press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke “CI deploy”?")
    expect(dialog.get_by_role("button", name="Keep token")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_role("button", name="Revoke token").click()

    expect(page.get_by_role("status")).to_contain_text("Revoked “CI deploy”.")
    expect(opener).to_be_hidden()


def test_revoking_works_without_script(page_without_javascript, alice):
    make_token(alice, description="CI deploy")
    page = sign_in(page_without_javascript, alice)
    page.goto("/tokens")

    page.get_by_role("link", name="Revoke CI deploy").click()
    expect(page.get_by_text("It was never used.")).to_be_visible()
    page.get_by_role("button", name="Revoke token").click()

    expect(page.get_by_text("Revoked “CI deploy”.")).to_be_visible()
    page.get_by_role("link", name="Expired or revoked").click()
    expect(page.get_by_role("link", name="CI deploy")).to_be_visible()


def test_a_pasted_token_is_found(either_page, alice):
    minted = make_token(alice, description="CI deploy")
    page = sign_in(either_page, alice)
    page.goto("/tokens")
    field = page.get_by_label("Paste a token to find it")
    expect(field).to_be_hidden()

    page.get_by_text("Find a pasted token").click()
    field.fill(minted.plaintext[:-1] + "!")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_text("No token of yours.")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    field.fill(minted.plaintext)
    page.get_by_role("button", name="Find", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("CI deploy")


def sent(page: Page) -> list[str]:
    """The addresses that the page asks for from now on, and what it sends with them."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer', '')}"))
    return asked


@pytest.mark.standard("P-01", "I-03")
@pytest.mark.parametrize("how", ["pasted", "typed and sent"])
@pytest.mark.parametrize("path", ["/tokens", "/activity", "/docs/search"])
def test_a_token_pasted_into_a_search_never_goes_into_an_address(alices_page, alice, path, how):
    minted = make_token(alice, description="CI deploy")
    page = alices_page
    page.goto(path)
    box = page.get_by_role("main").get_by_role("searchbox")
    asked = sent(page)

    if how == "pasted":
        box.fill(f"Bearer {minted.plaintext}")
    else:
        # Typed where no event of the field was seen, then sent.
        box.evaluate("(box, text) => { box.value = text; box.form.requestSubmit(); }", minted.plaintext)

    expect(page.get_by_role("heading", level=1)).to_have_text("CI deploy")
    page.wait_for_timeout(400)
    assert minted.plaintext not in " ".join(asked)
    page.go_back()
    assert minted.plaintext not in page.url + page.content()


@pytest.mark.standard("P-01")
def test_a_strangers_token_pasted_into_a_search_says_what_find_says(alices_page, alice, bob):
    make_token(alice)
    theirs = make_token(bob).plaintext
    page = alices_page
    page.goto("/tokens")
    asked = sent(page)

    page.get_by_role("searchbox").fill(theirs)

    expect(page.get_by_text("No token of yours.")).to_be_visible()
    expect(page.get_by_label("Paste a token to find it")).to_be_focused()
    assert_accessible(page)
    assert theirs not in " ".join(asked) + page.content()


def test_a_token_pasted_into_the_guides_by_who_is_signed_out_stays_in_the_page(page, alice):
    plaintext = make_token(alice).plaintext
    page.goto("/docs/search")
    asked = sent(page)

    page.get_by_role("main").get_by_role("searchbox").fill(plaintext)

    expect(page.get_by_role("status")).to_contain_text("That looks like a token")
    expect(page.get_by_role("main").get_by_role("searchbox")).to_have_value("")
    assert plaintext not in " ".join(asked)


def test_without_script_a_token_that_was_searched_for_is_found_away_from_the_address(page_without_javascript, alice):
    minted = make_token(alice, description="CI deploy")
    page = sign_in(page_without_javascript, alice)
    page.goto("/tokens")

    page.get_by_role("searchbox").fill(minted.plaintext)
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("CI deploy")
    page.go_back()
    assert minted.plaintext not in page.url + page.content()


@pytest.mark.standard("N-08")
def test_what_a_search_found_is_read_aloud_and_not_shown(alices_page, alice):
    make_token(alice, description="Nightly backup")
    make_token(alice, description="CI deploy")
    page = alices_page
    page.goto("/tokens")

    page.get_by_role("searchbox").fill("backup")

    expect(page.locator("#status")).to_have_text("1 active token matches “backup”.")
    assert page.locator("#status .toast").count() == 0
    page.get_by_role("searchbox").fill("backups")
    expect(page.locator("#status")).to_have_text("No active tokens match “backups”.")


def test_revoking_on_a_later_page_of_a_search_stays_there(either_page, alice):
    for number in range(52):
        make_token(alice, description=f"Backup {number:02}")
    page = sign_in(either_page, alice)
    page.goto("/tokens?q=backup")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Backup 01", exact=True)).to_be_visible()
    there = page.url

    page.get_by_role("link", name="Revoke Backup 01").click()
    page.get_by_role("button", name="Revoke token").click()

    expect(page.get_by_text("Revoked “Backup 01”.")).to_be_visible()
    expect(page).to_have_url(there)
    expect(page.get_by_role("link", name="Backup 00", exact=True)).to_be_visible()
    page.get_by_role("link", name="Revoke Backup 00").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page).to_have_url(re.compile(r"/tokens\?q=backup$"))
    expect(page.get_by_role("link", name="Backup 51", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [1280, 320])
def test_finding_a_pasted_token_shuts_nobody_out(alices_page, alice, width):
    page = alices_page
    page.set_viewport_size({"width": width, "height": 844})
    make_token(alice)
    page.goto("/tokens")
    button = page.get_by_text("Find a pasted token")

    button.focus()
    button.press("Enter")
    expect(page.get_by_label("Paste a token to find it")).to_be_visible()
    assert_for_everybody(page, [width])
    page.get_by_label("Paste a token to find it").press("Escape")

    expect(page.get_by_label("Paste a token to find it")).to_be_hidden()
    expect(page.get_by_role("group").locator("summary")).to_be_focused()


# --- one token


def test_a_scope_is_added_by_whoever_signed_in_lately(either_page, alice):
    token = make_token(alice, description="CI deploy").token
    page = sign_in(either_page, alice)
    page.goto(f"/tokens/{token.id}")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("tokens:read", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("rowheader", name="tokens:read")).to_be_visible()


def test_regenerating_shows_the_new_string_and_then_both(alices_page, alice):
    minted = make_token(alice, description="CI deploy")
    page = alices_page
    page.goto(f"/tokens/{minted.token.id}")

    page.get_by_role("link", name="Regenerate").first.click()
    expect(page.get_by_role("radio", name="In 90 days, as before")).to_be_checked()
    expect(page.get_by_role("radio", name="Not at all")).to_be_checked()
    page.get_by_role("radio", name="24 hours").check()
    assert_accessible(page)
    page.get_by_role("button", name="Regenerate").click()

    shown = page.get_by_label("Token", exact=True).input_value()
    assert shown != minted.plaintext
    expect(page).to_have_url(re.compile(f"/tokens/{minted.token.id}$"))
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("CI deploy")
    assert shown not in page.content()
    expect(page.get_by_role("heading", name="Two tokens work now")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_text("The former token has ended.")).to_be_visible()


@pytest.mark.standard("N-08")
# A dozen pages, each looked at four times.
def test_nobody_is_shut_out_of_these_pages(alices_page, alice, db):
    page = alices_page
    page.goto("/tokens")
    assert_for_everybody(page)
    old = make_token(alice, description="Old laptop").token
    parent = make_token(alice, description="A" * 80, scopes=["tokens:write", "account:read", "apps:read", "apps:write"])
    make_token(alice, description="Child", scopes=["tokens:write"], parent=parent.token, lifetime=timedelta(days=2))
    tokens.revoke(old)
    db.commit()
    here = f"/tokens/{parent.token.id}"
    for path in ("/tokens", "/tokens?status=ended", "/tokens?q=zzz", "/tokens?status=x", f"/tokens/{old.id}", here):
        page.goto(path)
        assert_for_everybody(page)
    for path in (f"{here}/edit", f"{here}/regenerate", f"{here}/revoke", "/tokens/new?scopes=x&expires_in_days=45"):
        page.goto(path)
        assert_for_everybody(page)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("Describe what will use this token.")).to_be_visible()
    assert_for_everybody(page)
    create(page, "Summary", "account:read", "tokens:write")
    page.get_by_text("Keep it out of your shell history").click()
    assert_for_everybody(page)

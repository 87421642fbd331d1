"""Two tabs, and forms that meet an ended session: nothing that was typed is lost, and nothing is done unasked."""

import html
import json
import re

import pytest
from sqlalchemy import select

from latchkey import tokens, vault
from latchkey.accounts import sessions, users
from latchkey.accounts.sessions import BrowserSession
from latchkey.store.session import db as session
from portal import drafts
from tests import factories, pages
from tests.factories import PASSWORD, make_user

WAY = "/oauth/authorize?client_id=app_1&state=a"


def signs_out_elsewhere(browser):
    """As another tab does it."""
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/"))})


def is_ended_from_elsewhere(browser):
    session.execute(BrowserSession.__table__.update().values(ended_at=BrowserSession.created_at))
    session.commit()


def field(page, name) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    return html.unescape(found[1]) if found else ""


def new_token(browser, **changes):
    page = browser.get("/tokens/new")
    form_id = re.search(r'name="form_id"[^>]*value="([^"]+)"', page.text)[1]
    fields = {
        "csrf_token": pages.csrf(page),
        "form_id": form_id,
        "description": "Nightly <backup>",
        "scope": ["account:read", "tokens:read"],
        "expires": "30",
        "password": "typed in the wrong place",
    }
    return fields | changes


def send(browser, fields, path="/tokens/new", **headers):
    return browser.post(path, data=fields, headers={"Referer": f"http://localhost{path}", **headers})


def sign_in_with(browser, page, user, password=PASSWORD):
    fields = {"csrf_token": pages.csrf(page), "next": field(page, "next"), "kept": field(page, "kept")}
    return browser.post("/login", data=fields | {"email": user.email, "password": password})


@pytest.mark.parametrize("ends", [signs_out_elsewhere, is_ended_from_elsewhere])
def test_a_form_that_met_an_ended_session_comes_back_filled_in_after_signing_in(signed_in, alice, ends):
    fields = new_token(signed_in)
    ends(signed_in)

    asked = send(signed_in, fields)
    wrong = sign_in_with(signed_in, asked, alice, "wrong")
    back = sign_in_with(signed_in, wrong, alice)
    page = signed_in.get(back.location)

    assert asked.status_code == 401
    assert "You were signed out meanwhile." in asked.text
    assert (back.status_code, back.location) == (303, "/tokens/new")
    assert 'value="Nightly &lt;backup&gt;"' in page.text
    assert re.search(r'value="30"[^>]* checked', page.text)
    assert page.text.count('value="account:read" checked') + page.text.count("checked") >= 3
    assert "typed in the wrong place" not in asked.text + page.text
    assert "You are signed in again." in page.text
    assert tokens.page(alice, status="all").tokens == []

    fields["csrf_token"] = pages.csrf(page)
    assert "shown only once" in send(signed_in, fields).text
    assert 'value="Nightly' not in signed_in.get("/tokens/new").text


@pytest.mark.parametrize(
    "path, page, fields",
    [
        ("/settings/profile", "/settings", {"name": "Alicia"}),
        ("/settings/email", "/settings", {"email": "new@example.com"}),
        ("/apps/new", "/apps/new", {"name": "Field notes", "redirect_uris": "https://a.example/cb"}),
    ],
)
def test_other_forms_come_back_too(signed_in, alice, path, page, fields):
    token = pages.csrf(signed_in.get(page))
    signs_out_elsewhere(signed_in)

    asked = signed_in.post(path, data=fields | {"csrf_token": token}, headers={"Referer": f"http://localhost{page}"})
    back = sign_in_with(signed_in, asked, alice)

    assert back.location == page
    shown = signed_in.get(page).text
    for value in fields.values():
        assert value in shown


def test_a_redirect_uri_comes_back_too(signed_in, alice):
    app = factories.make_client(alice).client
    token = pages.csrf(signed_in.get(f"/apps/{app.id}"))
    signs_out_elsewhere(signed_in)
    fields = {"csrf_token": token, "uri": "https://new.example/cb"}

    asked = signed_in.post(
        f"/apps/{app.id}/redirect-uris", data=fields, headers={"Referer": f"http://localhost/apps/{app.id}"}
    )
    back = sign_in_with(signed_in, asked, alice)

    assert back.location == f"/apps/{app.id}"
    assert 'value="https://new.example/cb"' in signed_in.get(back.location).text


def test_it_is_for_the_account_whose_page_it_was_on_alone(signed_in, alice, bob):
    fields = new_token(signed_in)
    signs_out_elsewhere(signed_in)
    asked = send(signed_in, fields)

    back = sign_in_with(signed_in, asked, bob)

    assert back.location == "/tokens/new"
    assert "Nightly" not in signed_in.get("/tokens/new").text
    assert [row.kept for row in session.scalars(select(BrowserSession)) if row.user_id == bob.id] == [None]


def test_it_counts_for_ten_minutes(signed_in, alice, clock):
    fields = new_token(signed_in)
    signs_out_elsewhere(signed_in)
    asked = send(signed_in, fields)
    clock.move(minutes=9, seconds=59)
    back = sign_in_with(signed_in, asked, alice)
    in_time = signed_in.get(back.location).text
    clock.move(seconds=2)

    assert "Nightly" in in_time
    assert 'value="Nightly' not in signed_in.get("/tokens/new").text


@pytest.mark.standard("P-01")
def test_no_password_code_or_credential_is_kept(signed_in, alice):
    leaked = factories.make_token(alice, description="Leaked").plaintext
    more = {"code": "123456", "current": "x" * 20, "note": f"see {leaked}", "client_secret": "y" * 20}
    fields = new_token(signed_in, **more)
    signs_out_elsewhere(signed_in)

    sealed = field(send(signed_in, fields), "kept")

    kept = json.loads(vault.unseal_as(drafts.SEALED_AS, sealed))
    assert sorted(name for name, _ in kept[-1]) == ["description", "expires", "form_id", "scope", "scope"]
    assert leaked not in json.dumps(kept)


def test_too_much_is_not_kept_and_said_so(signed_in, alice):
    fields = new_token(signed_in, description="x" * 14_000)
    signs_out_elsewhere(signed_in)

    asked = send(signed_in, fields)

    assert (asked.status_code, field(asked, "kept")) == (401, "")
    assert "it was too much to keep" in asked.text


@pytest.mark.parametrize("forged", ["x", "gAAAAAB" + "x" * 200, "\x00", "a" * 20_000])
def test_a_forged_form_is_none(client, alice, forged):
    page = client.get("/login")
    answer = client.post(
        "/login", data={"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD, "kept": forged}
    )

    assert (answer.status_code, answer.location) == (303, "/")
    assert [row.kept for row in session.scalars(select(BrowserSession))] == [None]


def test_a_form_that_only_another_tabs_sign_in_made_stale_comes_back_filled_in(app, signed_in, alice):
    fields = new_token(signed_in)
    signs_out_elsewhere(signed_in)
    pages.sign_in(signed_in, alice)

    stale = send(signed_in, fields)
    scripted = send(signed_in, fields, **{"HX-Request": "true"})

    assert (stale.status_code, stale.location) == (303, "/tokens/new")
    assert (scripted.status_code, scripted.headers["HX-Redirect"]) == (409, "/tokens/new")
    assert "Nightly" in signed_in.get("/tokens/new").text
    assert tokens.page(alice, status="all").tokens == []


@pytest.mark.standard("N-01")
def test_a_form_of_another_accounts_page_is_refused_as_before(signed_in, alice, bob):
    fields = new_token(signed_in)
    signs_out_elsewhere(signed_in)
    pages.sign_in(signed_in, bob)

    answer = send(signed_in, fields)

    assert answer.status_code == 400
    assert "Nightly" not in signed_in.get("/tokens/new").text


def test_a_script_is_told_to_send_the_form_as_a_page(signed_in):
    fields = new_token(signed_in)
    signs_out_elsewhere(signed_in)

    answer = send(signed_in, fields, **{"HX-Request": "true"})

    assert answer.status_code == 401
    assert (answer.headers["HX-Reswap"], answer.headers["HX-Trigger"]) == ("none", "send-as-page")


def test_a_sign_in_form_in_a_second_tab_goes_on_once_somebody_is_in(client, alice):
    second = client.get("/login", query_string={"next": WAY})
    pages.sign_in(client, alice)

    answer = client.post(
        "/login", data={"csrf_token": pages.csrf(second), "email": alice.email, "password": PASSWORD, "next": WAY}
    )

    assert (answer.status_code, answer.location) == (303, WAY)
    assert len(sessions.list_live(alice)) == 1


@pytest.mark.parametrize(
    "path, fields, typed",
    [
        ("/login", {"email": "alice@example.com", "password": PASSWORD}, "alice@example.com"),
        ("/signup", {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}, "ada@example.com"),
        ("/forgot-password", {"email": "alice@example.com"}, "alice@example.com"),
        ("/verify-email", {"email": "alice@example.com"}, "alice@example.com"),
    ],
)
def test_a_stale_form_is_shown_again_with_a_fresh_token_and_its_address(client, alice, path, fields, typed):
    stale = pages.csrf(client.get(path))
    client.delete_cookie("latchkey")

    shown = client.post(path, data=fields | {"csrf_token": stale, "next": WAY})
    again = client.post(path, data=fields | {"csrf_token": pages.csrf(shown), "next": WAY})

    assert shown.status_code == 422
    assert "This page was open for a while" in shown.text
    assert f'value="{typed}"' in shown.text
    assert field(shown, "next") == WAY
    assert PASSWORD not in shown.text
    assert again.status_code in (200, 303)


def test_a_stale_form_does_nothing_by_itself(client, mailbox):
    make_user("carol@example.com", verified=False)
    for path in ("/forgot-password", "/verify-email", "/signup"):
        stale = pages.csrf(client.get(path))
        client.delete_cookie("latchkey")
        fields = {"csrf_token": stale, "email": "carol@example.com", "name": "C", "password": PASSWORD}
        client.post(path, data=fields)

    assert mailbox.letters() == []
    assert users.find_by_email("carol@example.com").name == "Carol"


def test_a_stranger_at_a_closed_page_keeps_the_forms_of_other_tabs(client, alice):
    form = pages.csrf(client.get("/login"))
    client.get("/settings")

    answer = client.post("/login", data={"csrf_token": form, "email": alice.email, "password": PASSWORD})

    assert answer.status_code == 303


@pytest.mark.standard("L-09")
def test_who_is_asked_for_proof_reads_what_it_is_for(signed_in, alice, clock):
    token, about = factories.make_token(alice).token, "You are about to {}, and you signed in a while ago."
    clock.move(minutes=16)

    new = signed_in.post("/tokens/new", data=new_token(signed_in))
    again = signed_in.post(
        f"/tokens/{token.id}/regenerate",
        data={"csrf_token": pages.csrf(new), "form_id": "x" * 43, "expires": "30", "keep": "0"},
    )

    assert about.format("create a token") in new.text
    assert "What you typed is kept" in new.text
    assert about.format("regenerate a token") in again.text
    for page, words in {
        "/settings/security/authenticator": "change how you sign in",
        "/login/again?next=/apps/new": "register an app",
        "/login/again?next=/apps/app_1/edit": "change an app",
        "/login/again?next=/admin/users": "act as an administrator",
    }.items():
        assert about.format(words) in signed_in.get(page).text
    assert '<p class="muted">You signed in a while ago.' in signed_in.get("/login/again?next=/administer").text

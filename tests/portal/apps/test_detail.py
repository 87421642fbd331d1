"""One app: its page, changing it, its redirect URIs, its preview."""

import html
import json
import re
from datetime import timedelta

import pytest

from latchkey import clients, clock, credentials, grants
from latchkey.credentials import Kind
from latchkey.journal import activity, refusals
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from tests import factories, pages
from tests.factories import CALLBACK, make_client
from tests.portal.apps.app_pages import HTMX, LONG_AGO


@pytest.fixture
def mine(alice):
    return make_client(alice, name="Fieldnotes").client


def edit(browser, client, **changes):
    fields = {"name": client.name, "homepage": client.homepage, "scope": sorted(client.scopes)}
    if client.confidential and client.pkce_required:
        fields["pkce_required"] = "y"
    return pages.submit(browser, f"/apps/{client.id}/edit", **fields | changes)


def add_uri(browser, client, uri, headers=None, **more):
    token = pages.csrf(browser.get(f"/apps/{client.id}"))
    fields = {"csrf_token": token, "uri": uri, **more}
    return browser.post(f"/apps/{client.id}/redirect-uris", data=fields, headers=headers)


def remove_uri(browser, client, uri, headers=None, **more):
    token = pages.csrf(browser.get(f"/apps/{client.id}"))
    fields = {"csrf_token": token, "uri": uri, **more}
    return browser.post(f"/apps/{client.id}/redirect-uris/remove", data=fields, headers=headers)


def kinds(user):
    return [event.kind for event in activity.list_for(user)]


def test_the_page_counts_people_and_says_when_a_token_was_issued(signed_in, alice, bob, mine):
    grant = grants.allow(bob, mine, {"account:read"})
    factories.record_token(
        credentials.generate(Kind.ACCESS),
        kind=Kind.ACCESS,
        grant=grant,
        scopes=grant.scopes,
        expires_at=clock.now() + timedelta(hours=1),
    )
    session.commit()

    page = signed_in.get(f"/apps/{mine.id}").text

    assert "1 person" in page
    assert "just now" in page
    assert mine.id in page


@pytest.mark.standard("J-01")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "path", ["", "/edit", "/secret/rotate", "/cut-off", "/delete", "/consent", "/redirect-uris/remove?uri=" + CALLBACK]
)
def test_somebody_elses_app_is_no_page(signed_in, example_client, path):
    assert signed_in.get(f"/apps/{example_client.client.id}{path}").status_code == 404


@pytest.mark.standard("J-01")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "path", ["/edit", "/secret/rotate", "/cut-off", "/delete", "/redirect-uris", "/redirect-uris/remove"]
)
def test_somebody_elses_app_cannot_be_changed(signed_in, bob, example_client, path):
    token = pages.csrf(signed_in.get("/apps"))
    fields = {"csrf_token": token, "uri": CALLBACK, "name": "Taken", "scope": "account:read", "newest": ""}

    assert signed_in.post(f"/apps/{example_client.client.id}{path}", data=fields).status_code == 404

    session.expire_all()
    assert clients.find(example_client.client.id).name == "Example"
    assert kinds(bob) == []


def test_the_owner_reads_why_requests_were_refused(signed_in, mine):
    refusals.record(mine.id, "authorize", "invalid_request", "redirect URI differs in the trailing slash")
    session.commit()

    page = signed_in.get(f"/apps/{mine.id}").text

    assert "Redirect URI differs in the trailing slash" in page
    assert "/oauth/authorize" in page
    assert "invalid_request" in page


def test_changing_an_app_keeps_what_was_not_touched(signed_in, alice, mine):
    answer = edit(signed_in, mine, name="Notes", scope=["activity:read"])

    assert answer.status_code == 303
    session.expire_all()
    changed = clients.find(mine.id)
    assert (changed.name, changed.scopes, changed.redirect_uris) == ("Notes", {"activity:read"}, [CALLBACK])
    event = activity.list_for(alice)[0]
    assert event.kind == EventKind.APP_CHANGED
    assert set(event.detail["changes"]) == {"name", "scope"}


def test_a_page_that_was_opened_before_takes_back_nothing_that_was_changed_since(signed_in, mine):
    path = f"/apps/{mine.id}/edit"
    page = signed_in.get(path)
    old = {name: pages.hidden(page, name) for name in re.findall(r'name="(was_\w+)"', page.text)}
    old |= {"csrf_token": pages.csrf(page), "homepage": mine.homepage, "scope": sorted(mine.scopes)}
    edit(signed_in, mine, homepage="https://other.example", scope=["account:read", "tokens:read"], device_flow="y")

    assert signed_in.post(path, data=old | {"name": "Renamed", "pkce_required": "y"}).status_code == 303

    session.expire_all()
    now = clients.find(mine.id)
    assert (now.name, now.homepage, now.device_flow, now.pkce_required) == (
        "Renamed", "https://other.example", True, True,
    )  # fmt: skip
    assert now.scopes == {"account:read", "tokens:read"}


def test_saving_without_a_change_leaves_no_trace(signed_in, alice, mine):
    before = kinds(alice)

    assert edit(signed_in, mine).status_code == 303

    assert kinds(alice) == before


def test_a_bad_change_is_refused_in_words(signed_in, mine):
    answer = edit(signed_in, mine, name="", scope=["tokens:write"])

    assert answer.status_code == 422
    assert "Write something" in answer.text
    assert "administrator trusts" in answer.text


def test_the_owner_of_a_trusted_app_cannot_give_it_more(signed_in, alice):
    trusted, _ = make_client(alice, trusted=True, scopes=("account:read", "account:write"))

    assert 'value="tokens:write"' not in signed_in.get(f"/apps/{trusted.id}/edit").text
    refused = edit(signed_in, trusted, scope=["account:read", "tokens:write"])
    assert (refused.status_code, "only an administrator can give it more" in refused.text) == (422, True)
    assert clients.find(trusted.id).scopes == {"account:read", "account:write"}

    assert edit(signed_in, trusted, scope=["account:read"]).status_code == 303
    assert clients.find(trusted.id).scopes == {"account:read"}


def test_an_administrator_may_give_a_trusted_app_more(signed_in, alice):
    trusted, _ = make_client(alice, trusted=True, scopes=("account:read",))
    alice.is_admin = True
    session.commit()

    assert edit(signed_in, trusted, scope=["account:read", "tokens:write"]).status_code == 303
    assert clients.find(trusted.id).scopes == {"account:read", "tokens:write"}


def test_a_trusted_app_keeps_scopes_that_make_credentials(signed_in, alice):
    trusted, _ = make_client(alice, trusted=True, scopes=("tokens:write",))

    assert 'value="tokens:write"' in signed_in.get(f"/apps/{trusted.id}/edit").text
    assert edit(signed_in, trusted, name=trusted.name).status_code == 303

    session.expire_all()
    assert clients.find(trusted.id).scopes == {"tokens:write"}


@pytest.mark.standard("C-01")
def test_pkce_may_be_turned_off_for_a_confidential_app_which_is_marked(signed_in, mine):
    fields = {"name": mine.name, "homepage": mine.homepage, "scope": sorted(mine.scopes)}
    pages.submit(signed_in, f"/apps/{mine.id}/edit", **fields)

    session.expire_all()
    assert not clients.find(mine.id).pkce_required
    assert "PKCE is off" in signed_in.get(f"/apps/{mine.id}").text
    assert "PKCE off" in signed_in.get("/apps").text


@pytest.mark.standard("C-01")
def test_pkce_stays_for_a_public_app_whatever_is_sent(signed_in, alice):
    public, _ = make_client(alice, confidential=False)

    assert "Require PKCE" not in signed_in.get(f"/apps/{public.id}/edit").text
    assert edit(signed_in, public, pkce_required="").status_code == 303

    session.expire_all()
    assert clients.find(public.id).pkce_required


@pytest.mark.standard("J-05")
def test_a_redirect_uri_is_added_and_its_owner_gets_a_mail(signed_in, alice, mine, mailbox):
    answer = add_uri(signed_in, mine, " http://127.0.0.1/callback ")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"/apps/{mine.id}")
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == [CALLBACK, "http://127.0.0.1/callback"]
    assert "Fieldnotes" in mailbox.last(alice.email).text
    assert "Any port" in signed_in.get(f"/apps/{mine.id}").text


def test_a_script_gets_the_list_alone(signed_in, mine):
    answer = add_uri(signed_in, mine, "https://staging.example.com/callback", HTMX)

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert 'id="uris"' in answer.text
    assert "https://staging.example.com/callback" in answer.text


@pytest.mark.parametrize("headers", [None, HTMX])
def test_a_bad_redirect_uri_is_refused_in_words_and_stays_in_the_field(signed_in, mine, headers):
    answer = add_uri(signed_in, mine, "http://app.example.com/", headers)

    assert answer.status_code == 422
    assert "Use https" in answer.text
    assert 'value="http://app.example.com/"' in answer.text
    assert ("<html" in answer.text) is (headers is None)
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == [CALLBACK]


def test_one_redirect_uri_too_many_is_refused(signed_in, alice):
    full, _ = make_client(alice, redirect_uris=[f"https://a.example/{n}" for n in range(20)])

    answer = add_uri(signed_in, full, "https://a.example/20")

    assert answer.status_code == 422
    assert "at most 20" in answer.text


def test_a_redirect_uri_is_removed_but_never_the_last(signed_in, alice, mine, mailbox):
    add_uri(signed_in, mine, "https://other.example/")

    assert remove_uri(signed_in, mine, CALLBACK).status_code == 303
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == ["https://other.example/"]
    assert len(mailbox.letters(alice.email)) == 2

    remove_uri(signed_in, mine, "https://other.example/")
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == ["https://other.example/"]
    assert "at least one" in html.unescape(signed_in.get(f"/apps/{mine.id}").text)


def test_removing_a_redirect_uri_asks_first(signed_in, mine):
    add_uri(signed_in, mine, "https://other.example/")

    page = signed_in.get(f"/apps/{mine.id}/redirect-uris/remove?uri={CALLBACK}")

    assert page.status_code == 200
    assert "Remove this address?" in page.text and CALLBACK in page.text
    session.expire_all()
    assert CALLBACK in clients.find(mine.id).redirect_uris


@pytest.mark.standard("N-08")
def test_what_happened_to_the_redirect_uris_is_said(signed_in, mine):
    part = add_uri(signed_in, mine, "https://other.example/", HTMX)
    remove_uri(signed_in, mine, CALLBACK)

    assert json.loads(part.headers["HX-Trigger"])["announce"]["value"] == "Added https://other.example/."
    assert f"Removed {CALLBACK}." in signed_in.get(f"/apps/{mine.id}").text


def test_removing_twice_is_like_removing_once(signed_in, mine):
    add_uri(signed_in, mine, "https://other.example/")
    remove_uri(signed_in, mine, CALLBACK)

    assert remove_uri(signed_in, mine, CALLBACK).status_code == 303


def test_changing_where_people_are_led_takes_the_password(signed_in, mine, clock):
    add_uri(signed_in, mine, "https://other.example/")
    clock.move(**LONG_AGO)

    asked = add_uri(signed_in, mine, "https://evil.example/")
    in_place = add_uri(signed_in, mine, "https://evil.example/", HTMX)
    removal = remove_uri(signed_in, mine, CALLBACK)

    assert pages.asks_for_proof(asked) and pages.asks_for_proof(removal)
    assert (in_place.status_code, in_place.headers["HX-Trigger"]) == (403, "send-as-page")
    page = html.unescape(signed_in.get(f"/apps/{mine.id}").text)
    assert f'/redirect-uris/remove?uri={CALLBACK}">Remove' in page
    session.expire_all()
    assert clients.find(mine.id).redirect_uris == [CALLBACK, "https://other.example/"]


def test_after_the_proof_the_address_stands_in_the_form_again(signed_in, mine, clock):
    clock.move(**LONG_AGO)
    asked = add_uri(signed_in, mine, "https://other.example/", {"Referer": f"http://localhost/apps/{mine.id}"})

    back = pages.prove(signed_in, asked)

    assert back.location == f"/apps/{mine.id}"
    assert 'value="https://other.example/"' in signed_in.get(back.location).text
    assert add_uri(signed_in, mine, "https://other.example/").status_code == 303


def test_the_preview_is_the_consent_screen_with_nothing_to_press(signed_in, mine):
    page = signed_in.get(f"/apps/{mine.id}/consent").text

    assert "Fieldnotes wants to use your Latchkey account" in page
    assert "See your name and e-mail address" in page
    assert "<fieldset" in page
    assert "disabled" in page
    assert 'name="handle" value=""' in page


def test_a_suspended_app_says_so(signed_in, mine):
    clients.suspend(mine)
    session.commit()

    assert "suspended" in signed_in.get(f"/apps/{mine.id}").text
    assert "Suspended" in signed_in.get("/apps").text

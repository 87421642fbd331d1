"""The list of a user's apps, and registering one."""

import re

import pytest

from latchkey import clients, grants
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from tests import factories, pages
from tests.factories import make_client, make_user
from tests.oauth import signing
from tests.portal.apps.app_pages import FORM, LONG_AGO, hidden, only_app, register, secret_of


def test_registering_shows_the_secret_once_in_an_answer_that_is_kept_nowhere(signed_in, alice):
    page = register(signed_in)

    secret, client = secret_of(page), only_app(alice)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "shown only once" in page.text
    assert client.id in page.text
    assert factories.find_secret(client, secret)
    assert secret not in signed_in.get(f"/apps/{client.id}").text
    assert secret[-4:] in signed_in.get(f"/apps/{client.id}").text


def test_what_was_typed_is_what_is_registered(signed_in, alice):
    register(signed_in)

    client = only_app(alice)
    assert client.name == "Fieldnotes"
    assert client.homepage == "https://fieldnotes.example"
    assert client.redirect_uris == ["https://fieldnotes.example/callback", "http://127.0.0.1/callback"]
    assert client.scopes == {"account:read", "activity:read"}
    assert client.confidential
    assert client.pkce_required
    assert not client.trusted
    assert activity.list_for(alice)[0].kind == EventKind.APP_REGISTERED


@pytest.mark.standard("J-03")
def test_a_public_app_has_no_secret_to_show(signed_in, alice):
    answer = register(signed_in, type="public")

    client = only_app(alice)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/apps/{client.id}"
    page = signed_in.get(f"/apps/{client.id}").text
    assert "lk_sec_" not in page
    assert "Rotate secret" not in page
    assert signed_in.get(f"/apps/{client.id}/secret/rotate").status_code == 404


@pytest.mark.standard("J-03", "D-15")
def test_an_app_with_keys_never_has_a_secret_and_gets_its_keys_next(signed_in, alice):
    answer = register(signed_in, type="keys")

    client = only_app(alice)
    assert answer.headers["Location"] == f"/apps/{client.id}/keys"
    assert "lk_sec_" not in answer.text
    assert (client.confidential, clients.live_secrets(client)) == (True, [])
    page = signed_in.get(answer.headers["Location"])
    assert "can do nothing until it has its keys" in page.text
    assert "Give it its keys" in page.text
    assert "client secret stops working" not in page.text, "it has none"
    shown = signed_in.get(f"/apps/{client.id}").text
    assert "Give it its keys" in shown
    assert "Make a secret" in shown
    for part in (shown, signed_in.get(f"/apps/{client.id}?lang=curl", headers={"HX-Request": "true"}).text):
        assert 'id="quickstart"' in part
        assert "nothing to prove itself by yet" in part
        assert "Client secret: " not in part, "the quickstart would ask for what there is not"
    assert "old one keeps working" not in signed_in.get(f"/apps/{client.id}/secret/rotate").text
    pair = signing.Pair()
    given = {"csrf_token": pages.csrf(page), "jwks": signing.key_set(pair), "jwks_uri": ""}
    assert signed_in.post(f"/apps/{client.id}/keys", data=given).status_code == 303
    form = {"grant_type": "client_credentials"} | pair.proof(client.id)
    assert signed_in.post("/oauth/token", data=form).status_code == 200

    guide = signed_in.get("/docs/oauth").text
    assert "$CLIENT_ASSERTION" in guide
    assert "$CLIENT_SECRET" not in guide


def test_sending_the_form_twice_registers_one_app_and_shows_no_secret_again(signed_in, alice):
    page = signed_in.get("/apps/new")
    fields = {"csrf_token": pages.csrf(page), "form_id": hidden(page, "form_id")} | FORM
    first = signed_in.post("/apps/new", data=fields)

    again = signed_in.post("/apps/new", data=fields)

    client = only_app(alice)
    assert again.status_code == 303
    assert again.headers["Location"] == f"/apps/{client.id}"
    assert secret_of(first) not in signed_in.get(f"/apps/{client.id}").text


@pytest.mark.parametrize("form_id", ["", "short", None, "x" * 44])
def test_a_form_without_its_number_registers_nothing(signed_in, alice, form_id):
    answer = register(signed_in, form_id=form_id)

    assert answer.status_code == 422
    assert clients.list_for(alice) == []


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize(
    "changes, words",
    [
        ({"name": ""}, "Write something"),
        ({"name": "Latchkey"}, "pass for us"),
        ({"homepage": "http://fieldnotes.example"}, "Write an https address"),
        ({"redirect_uris": ""}, "at least one address"),
        ({"redirect_uris": "https://a.example/\nhttp://a.example/"}, "Line 2: Use https"),
        ({"redirect_uris": "https://*.a.example/"}, "wildcard"),
        ({"redirect_uris": "https://a.example/#x"}, "fragment"),
        ({"redirect_uris": "https://u@a.example/"}, "user name"),
        ({"redirect_uris": "javascript:alert(1)"}, "Use https"),
        ({"scope": []}, "Choose at least one scope"),
        ({"scope": ["moon:land"]}, "does not exist"),
        ({"scope": ["tokens:write"]}, "administrator trusts"),
        ({"type": "other"}, "whether the app can keep a secret"),
        ({"type": None}, "whether the app can keep a secret"),
    ],
)
def test_a_form_with_a_fault_says_so_beside_it_and_keeps_what_was_typed(signed_in, alice, changes, words):
    answer = register(signed_in, **changes)

    assert answer.status_code == 422
    assert words in answer.text
    assert "Register app" in answer.text
    if "name" not in changes:
        assert 'value="Fieldnotes"' in answer.text
    assert clients.list_for(alice) == []


def test_every_fault_is_named_at_once(signed_in):
    page = register(signed_in, name="", homepage="x", redirect_uris="", scope=[]).text

    assert "4 things need another look" in page
    listed = re.search(r"4 things need another look.*?</ul>", page, re.DOTALL)[0]
    linked = re.findall(r'href="#([^"]+)"', listed)
    assert linked == sorted(linked, key=lambda name: page.index(f'id="{name}"'))


@pytest.mark.standard("I-06")
def test_scopes_that_make_credentials_are_not_offered(signed_in):
    page = signed_in.get("/apps/new").text

    assert 'value="tokens:read"' in page
    assert 'value="tokens:write"' not in page
    assert 'value="apps:write"' not in page


def test_selecting_all_scopes_without_a_script_ticks_them_and_registers_nothing(signed_in, alice):
    page = register(signed_in, scope=[], do="select-all")

    assert page.status_code == 200
    assert page.text.count(" checked") == 7 + 1
    assert clients.list_for(alice) == []


@pytest.mark.standard("J-06")
@pytest.mark.parametrize("field", ["trusted", "owner_id", "id", "pkce_required", "suspended_at"])
def test_fields_that_carry_trust_cannot_be_sent(signed_in, alice, bob, field):
    register(signed_in, **{field: bob.id if field == "owner_id" else "true"})

    client = only_app(alice)
    assert not client.trusted
    assert client.owner_id == alice.id
    assert client.pkce_required
    assert client.suspended_at is None


def test_the_password_is_asked_for_when_it_was_given_long_ago(signed_in, alice, clock):
    clock.move(**LONG_AGO)

    asked = register(signed_in)
    assert pages.asks_for_proof(asked)
    assert clients.list_for(alice) == []

    page = signed_in.get(pages.prove(signed_in, asked).location)
    assert 'value="Fieldnotes"' in page.text
    assert secret_of(register(signed_in))


@pytest.mark.standard("L-08")
def test_an_unverified_user_registers_nothing(client):
    eve = make_user("eve@example.com", verified=False)
    pages.sign_in(client, eve)

    assert client.get("/apps").status_code == 200
    assert client.get("/apps/new").status_code == 303
    assert client.post("/apps/new", data={"csrf_token": pages.csrf(client.get("/apps")), **FORM}).status_code == 303
    assert clients.list_for(eve) == []


def test_a_form_without_a_csrf_token_registers_nothing(signed_in, alice):
    assert register(signed_in, csrf_token="x").status_code == 400
    assert clients.list_for(alice) == []


@pytest.mark.parametrize("path", ["/apps", "/apps/new"])
def test_signed_out_people_are_sent_to_sign_in(client, path):
    answer = client.get(path)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login?next=")


def test_the_list_shows_own_apps_with_how_many_people_use_them(signed_in, alice, bob):
    mine, _ = make_client(alice, name="Mine")
    make_client(bob, name="Theirs")
    grants.allow(bob, mine, {"account:read"})
    session.commit()

    page = signed_in.get("/apps").text

    assert "Mine" in page
    assert mine.id in page
    assert "1 person" in page
    assert "Theirs" not in page


def test_an_empty_list_leads_to_the_form(signed_in):
    page = signed_in.get("/apps").text

    assert "No apps yet" in page
    assert 'href="/apps/new"' in page


@pytest.mark.standard("J-04")
def test_a_name_is_shown_as_text(signed_in, alice):
    register(signed_in, name="<script>alert(1)</script>")

    for page in ("/apps", f"/apps/{only_app(alice).id}", f"/apps/{only_app(alice).id}/consent"):
        assert "<script>alert" not in signed_in.get(page).text
        assert "&lt;script&gt;alert" in signed_in.get(page).text


@pytest.mark.standard("K-06")
def test_what_people_may_untick_is_chosen_in_the_form_and_shown_there_again(signed_in, alice):
    register(signed_in, optional=["activity:read", "tokens:read"])
    client = only_app(alice)
    assert client.optional == {"activity:read"}

    page = signed_in.get(f"/apps/{client.id}/edit")
    assert 'name="optional" value="activity:read" checked' in page.text
    assert register(signed_in, optional=["nothing:here"]).status_code == 422

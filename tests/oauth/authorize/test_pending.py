"""Long requests survive sign-in: frozen before it, carried as a handle, and without a row of the database."""

from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from latchkey import scopes
from latchkey.accounts import users, waybacks
from latchkey.scopes import Scope
from tests import factories, pages
from tests.oauth import dance

MANY = [f"projects-{number}:read" for number in range(160)]


@pytest.fixture
def many_scopes(app, monkeypatch):
    more = {name: Scope(name, f"See {name}", "List them.", "Projects") for name in MANY}
    monkeypatch.setattr(scopes, "_catalogue", more | dict(scopes.catalogue()))


def signed_in_from(browser, address, user):
    """Where somebody who signs in on that page is led."""
    page = browser.get(address)
    assert page.status_code == 200, page.text[:500]
    way_back = parse_qs(urlsplit(address).query)["next"][0]
    fields = {"csrf_token": pages.csrf(page), "email": user.email, "password": factories.PASSWORD, "next": way_back}
    return browser.post("/login", data=fields, follow_redirects=True)


@pytest.mark.standard("B-08")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("state", ["é" * 1024, "a b+é&%=#" * 113, "".join(chr(0x4E00 + 7 * n) for n in range(1024))])
def test_a_long_state_comes_through_sign_in(client, alice, example_client, state):
    answer = dance.authorize(client, example_client, state=state)

    location = answer.headers["Location"]
    assert location.startswith("/login?next=")
    assert len(location) < 8_000
    assert "Sign in to continue to Example" in client.get(location).text
    page = signed_in_from(client, location, alice)

    assert dance.back(dance.decide(client, page)).parameters["state"] == state
    assert dance.back(dance.authorize(client, example_client, state=state)).parameters["state"] == state


def test_many_scopes_come_through_sign_in(client, alice, bob, many_scopes):
    app = factories.make_client(bob, scopes=MANY)

    answer = dance.authorize(client, app, scope=" ".join(MANY))
    page = signed_in_from(client, answer.headers["Location"], alice)

    assert "code" in dance.back(dance.decide(client, page)).parameters
    assert f"See {MANY[-1]}" in page.text


def test_a_long_link_to_the_token_form_comes_through_sign_in(client, alice, many_scopes):
    answer = client.get(
        "/tokens/new?" + urlencode({"scopes": " ".join(MANY), "description": "é" * 40}, quote_via=quote)
    )

    page = signed_in_from(client, answer.headers["Location"], alice)

    assert page.request.path == "/tokens/new"
    assert page.text.count(" checked") >= len(MANY)
    assert "é" * 40 in page.text


def test_an_unverified_address_does_not_lose_a_long_request(app, db, example_client):
    carol = factories.make_user("carol@example.com", verified=False)
    browser = pages.sign_in(app.test_client(), carol)

    answer = dance.authorize(browser, example_client, state="é" * 1024)
    users.find(carol.id).email_verified_at = carol.created_at
    db.commit()
    way_back = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]

    page = browser.get(way_back, follow_redirects=True)
    assert dance.back(dance.decide(browser, page)).parameters["state"] == "é" * 1024


def test_a_short_request_is_carried_as_it_is(client, example_client):
    way_back = parse_qs(urlsplit(dance.authorize(client, example_client).headers["Location"]).query)["next"][0]

    assert way_back.startswith("/oauth/authorize?response_type=code&")


def test_somebody_else_does_not_have_to_sign_in_twice_for_a_long_request(signed_in, alice, example_client):
    page = dance.authorize(signed_in, example_client, state="é" * 1024)

    answer = dance.decide(signed_in, page, "switch")

    page = signed_in_from(signed_in, answer.headers["Location"], alice)
    assert dance.back(dance.decide(signed_in, page)).parameters["state"] == "é" * 1024


@pytest.mark.standard("L-10")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("frozen", ["", "x", "é", "a.b.c", "x" * 5_000])
def test_nobody_else_says_where_a_handle_leads(client, settings, frozen):
    answer = client.get("/continue", query_string={"to": frozen})

    assert answer.status_code == 400
    assert client.get("/login", query_string={"next": f"/continue?to={quote(frozen)}"}).status_code == 200


@pytest.mark.standard("L-10")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "https://evil.example/"])
def test_a_handle_never_leads_to_another_site(client, settings, path):
    frozen = waybacks.carried(f"{path}?x={'y' * 2000}")

    assert client.get(frozen).status_code == 400


def test_a_handle_is_good_for_a_day(client, settings, monkeypatch):
    frozen = waybacks.carried(f"/tokens?x={'y' * 2000}")
    assert client.get(frozen).headers["Location"].startswith("/tokens?x=yyy")
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: __import__("time").monotonic() + 4e9)

    assert client.get(frozen).status_code == 400


def test_what_is_longer_than_any_browser_sends_is_not_carried(settings):
    noise = "".join(chr(0x10000 + 977 * n % 0x9000) for n in range(9_000))

    assert waybacks.carried(f"/tokens?x={quote(noise)}") is None

"""Who is let through, who is asked for the password, and where one may be sent to."""

import flask
import pytest
from flask import Flask
from flask_login import current_user
from flask_wtf import FlaskForm

from latchkey.accounts import sessions, users, waybacks
from portal import guards
from tests import pages
from tests.factories import PASSWORD, make_user

ELSEWHERE = [
    None,
    "",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/tokens\r\nSet-Cookie: a=b",
    " /tokens",
    "/tokens ",
    "https:evil.example",
    "https://evil.example/",
    "//evil.example/tokens",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "tokens",
    "?next=//evil.example",
    "/@evil.example",
    "/tokens//evil.example",
    "/tokens#//evil.example",
    "/\u2028/evil.example",
    "/tokens?q=\x00",
    "/tokens?q=ü",
    "/" + "a" * waybacks.LONGEST,
]
# One of each kind, for pages that take such a text.
OF_EACH_KIND = [
    "",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "https://evil.example/",
    "/%2fevil.example",
]


@pytest.mark.standard("L-10")
@pytest.mark.parametrize("text", ELSEWHERE)
def test_no_way_leads_to_another_site(text):
    assert guards.local_path(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/tokens",
        "/tokens/",
        "/tokens?status=ended&q=a%20b",
        "/.well-known/oauth-authorization-server",
        "/tokens/tok_019f3c2a1b0000017e5a1c9d2b3f",
        "/oauth/authorize?response_type=code&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&state=%5C%2F%0A",
        "/oauth/authorize?redirect_uri=com.example.app:/callback",
    ],
)
def test_pages_here_are_ways_to_go_on(text):
    assert guards.local_path(text) == text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("L-10")
@pytest.mark.parametrize("text", OF_EACH_KIND)
def test_signing_in_leads_home_when_the_way_on_is_elsewhere(client, alice, text):
    page = client.get("/login", query_string={"next": text})

    answer = client.post(
        "/login",
        query_string={"next": text},
        data={"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD, "next": text},
    )

    assert (answer.status_code, answer.location) == (303, "/")


@pytest.fixture
def probe(app: Flask, client, alice):
    """Alice's browser, and /probe: a form that acts only on fresh proof."""

    @app.route("/probe", methods=["GET", "POST"])
    @guards.verified
    def act():
        if flask.request.method == "POST":
            guards.require_proof()
            return "done"
        return FlaskForm().csrf_token()

    return pages.sign_in(client, alice)


def cookie(client):
    return client.get_cookie("latchkey").value


def sent(client):
    return client.post("/probe", data={"csrf_token": pages.csrf(client.get("/probe"))})


def test_whoever_signed_in_lately_is_not_asked(probe):
    assert sent(probe).text == "done"


@pytest.mark.standard("L-09", "M-02")
def test_after_fifteen_minutes_proof_is_asked_for_and_gives_the_session_a_new_id(clock, probe, app):
    clock.move(minutes=16)
    before = cookie(probe)
    stale = app.test_client()
    stale.set_cookie("latchkey", before)

    asked = sent(probe)
    back = pages.prove(probe, asked)

    assert pages.asks_for_proof(asked)
    assert back.status_code == 303
    assert sent(probe).text == "done"
    assert stale.get("/probe").status_code == 303


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("L-10")
@pytest.mark.parametrize("text", OF_EACH_KIND)
def test_proof_leads_home_when_the_way_back_is_elsewhere(probe, text):
    answer = pages.submit(probe, "/login/again", password=PASSWORD, next=text)

    assert (answer.status_code, answer.location) == (303, "/")


def test_wrong_passwords_prove_nothing_and_are_slowed_down(clock, probe):
    clock.move(minutes=16)
    asked, before = sent(probe), cookie(probe)

    answers = [pages.prove(probe, asked, password=f"wrong {number}") for number in range(11)]

    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert "This is not your password." in answers[0].text
    assert int(answers[-1].headers["Retry-After"]) <= 60
    assert cookie(probe) == before
    assert pages.asks_for_proof(sent(probe))
    clock.move(seconds=61)
    assert pages.prove(probe, asked).status_code == 303


def test_nobody_elses_form_is_filled_in_after_proof(clock, probe, app, bob):
    clock.move(minutes=16)
    other = pages.sign_in(app.test_client(), bob)
    clock.move(minutes=16)
    theirs = other.post("/probe", data={"csrf_token": pages.csrf(other.get("/probe")), "note": "of bob"})
    asked = sent(probe)

    fields = {"csrf_token": pages.csrf(asked), "next": "/", "password": PASSWORD}
    probe.post("/login/again", data=fields | {"kept": pages.hidden(theirs, "kept")})

    assert pages.hidden(theirs, "kept")
    [alices] = sessions.list_live(users.find_by_email("alice@example.com"))
    assert alices.kept is None


def test_whoever_is_not_verified_is_led_to_that_first_and_back(app, client):
    @app.get("/members")
    @guards.verified
    def members():
        return f"hello {current_user.user.name}"

    pages.sign_in(client, make_user("carol@example.com", verified=False))

    answer = client.get("/members?a=b")
    partial = client.get("/members", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert (answer.status_code, answer.location) == (303, "/verify-email?next=/members?a%3Db")
    assert (partial.status_code, partial.headers["HX-Redirect"]) == (403, "/verify-email?next=/members")


def test_whoever_is_signed_out_is_led_to_sign_in(app, client):
    @app.route("/members", methods=["GET", "POST"])
    @guards.verified
    def members():
        return "hello"

    assert client.get("/members").location == "/login?next=/members"
    assert client.post("/members").location == "/login"

"""Who is let through, who is asked for the password, and where one may be sent to."""

import pytest
from flask import Flask
from flask_login import current_user

from latchkey.accounts import waybacks
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


@pytest.mark.standard("L-10")
@pytest.mark.parametrize("text", ELSEWHERE[1:])
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
    """Alice's browser, and /probe: a form that acts only on a confirmed password."""

    @app.route("/probe", methods=["GET", "POST"])
    @guards.verified
    def act():
        form = guards.ConfirmPassword()
        if form.validate_on_submit() and guards.confirmed(form):
            return "done"
        asked = "asked" if form.password is not None else "not asked"
        return f"{form.csrf_token()} {asked} {form.errors}", 422 if form.is_submitted() else 200

    return pages.sign_in(client, alice)


def cookie(client):
    return client.get_cookie("latchkey").value


def test_a_password_given_lately_is_not_asked_for(probe):
    page = probe.get("/probe")

    answer = probe.post("/probe", data={"csrf_token": pages.csrf(page)})

    assert "not asked" in page.text
    assert answer.text == "done"


@pytest.mark.standard("L-09", "M-02")
def test_after_fifteen_minutes_it_is_asked_for_and_gives_the_session_a_new_id(clock, probe, app):
    clock.move(minutes=16)
    page = probe.get("/probe")
    before = cookie(probe)
    stale = app.test_client()
    stale.set_cookie("latchkey", before)

    without = probe.post("/probe", data={"csrf_token": pages.csrf(page)})
    answer = probe.post("/probe", data={"csrf_token": pages.csrf(page), "password": PASSWORD})
    old_secret = probe.post("/probe", data={"csrf_token": pages.csrf(page)})

    assert (without.status_code, "Type your password" in without.text) == (422, True)
    assert answer.text == "done"
    assert "not asked" in probe.get("/probe").text
    assert stale.get("/probe").status_code == 303
    assert old_secret.status_code == 422


def test_a_page_opened_before_the_time_was_over_asks_when_it_is_sent(clock, probe):
    page = probe.get("/probe")
    clock.move(minutes=20)

    answer = probe.post("/probe", data={"csrf_token": pages.csrf(page)})

    assert answer.status_code == 422
    assert "Type your password" in answer.text


def test_wrong_passwords_change_nothing_and_are_slowed_down(clock, probe):
    clock.move(minutes=16)
    page = probe.get("/probe")
    before = cookie(probe)

    answers = [
        probe.post("/probe", data={"csrf_token": pages.csrf(page), "password": f"wrong {number}"})
        for number in range(11)
    ]

    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert "This is not your password." in answers[0].text
    assert int(answers[-1].headers["Retry-After"]) <= 60
    assert cookie(probe) == before
    clock.move(seconds=61)
    assert probe.post("/probe", data={"csrf_token": pages.csrf(page), "password": PASSWORD}).text == "done"


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

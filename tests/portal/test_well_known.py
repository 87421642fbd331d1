"""Addresses that programs know beforehand: security.txt and change-password."""

import re
import zlib
from datetime import datetime, timedelta

import pytest

from latchkey import clock, credentials
from latchkey.credentials import Kind
from tests import pages
from tests.factories import PASSWORD, make_token

SECURITY = "/.well-known/security.txt"
CHANGE = "/.well-known/change-password"


def fields(answer) -> dict[str, str]:
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    lines = answer.text.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines)
    return found


@pytest.mark.standard("P-07")
@pytest.mark.settings(security_contact="security@example.com", base_url="https://portal.example.com")
def test_who_finds_a_weakness_is_told_whom_to_tell(client):
    said = fields(client.get(SECURITY, base_url="https://portal.example.com"))

    assert said["Contact"] == "mailto:security@example.com"
    assert said["Canonical"] == "https://portal.example.com/.well-known/security.txt"
    left = datetime.fromisoformat(said["Expires"]) - clock.now()
    assert timedelta(days=30) < left < timedelta(days=365)


@pytest.mark.standard("P-07")
def test_without_a_contact_there_is_no_such_page(client):
    assert client.get(SECURITY).status_code == 404


@pytest.mark.settings(security_contact="security@example.com")
def test_it_says_nothing_about_who_asks(client):
    answer = client.get(SECURITY)

    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert client.post(SECURITY).status_code == 405


@pytest.mark.standard("G-05")
def test_a_password_manager_finds_the_form(client, alice):
    there = client.get(CHANGE)
    asked = client.get(there.location)

    assert (there.status_code, there.location) == (303, "/settings/password")
    assert asked.status_code in (302, 303)
    assert "/login" in asked.location
    page = client.get(asked.location)
    form = {"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD, "next": "/settings/password"}
    signed_in = client.post(asked.location, data=form)
    assert signed_in.location == "/settings/password"
    assert client.get(signed_in.location).location == "/settings#password"


@pytest.mark.standard("I-01")
def test_scanners_read_the_pattern_the_checksum_and_a_vector(client, alice):
    said = client.get("/.well-known/secret-scanning.json").get_json()
    token = make_token(alice).plaintext

    assert re.fullmatch(said["pattern"], token)
    assert re.fullmatch(said["pattern"], said["test_vector"])
    assert {kind["kind"] for kind in said["kinds"]} >= {kind.value for kind in Kind}
    for kind in Kind:
        assert [k["kind"] for k in said["kinds"] if re.fullmatch(k["pattern"], credentials.generate(kind))] == [kind]
    number, digits = zlib.crc32(token[:-6].encode()), said["checksum"]["alphabet"]
    checksum = ""
    for _ in range(said["checksum"]["length"]):
        number, digit = divmod(number, len(digits))
        checksum = digits[digit] + checksum
    assert checksum == token[-6:]
    assert said["alerts"] is None
    assert said["revoke"].endswith("/v1/credentials/revoke")


def test_people_read_the_same(client):
    page = client.get("/docs/secrets").text

    assert "/.well-known/secret-scanning.json" in page
    assert "takes no signed alerts" in page


@pytest.mark.settings(scanner_keys_url="https://scanner.example/keys")
def test_where_alerts_are_taken_it_is_said(client):
    assert client.get("/.well-known/secret-scanning.json").get_json()["alerts"].endswith("/v1/credentials/alerts")
    assert "Github-Public-Key-Signature" in client.get("/docs/secrets").text

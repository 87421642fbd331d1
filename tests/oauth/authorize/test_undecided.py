"""Errors about which nobody decided anything lead nobody on to an address that a stranger gave (RFC 9700 §4.11.2)."""

import html
import re

import pytest

from latchkey import clients, grants
from latchkey.clients import Said
from tests.factories import Registered
from tests.oauth import dance

ELSEWHERE = "https://evil.example/landing"
WRONG = [
    ({"scope": "bogus"}, "invalid_scope"),
    ({"code_challenge": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"resource": "https://nowhere.example/"}, "invalid_target"),
    ({"prompt": "none"}, "consent_required"),
]


def described(db, uri, name="Fieldnotes", **options):
    """An app that describes itself, which anybody can make without being asked who they are."""
    made = clients.add(Said(name, "", [uri], "account:read"), **options)
    db.commit()
    return Registered(made, None)


@pytest.mark.standard("B-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("changes, error", WRONG)
def test_to_an_app_that_nobody_here_answers_for_a_link_leads_and_nothing_by_itself(signed_in, db, changes, error):
    app = described(db, ELSEWHERE)

    page = dance.authorize(signed_in, app, redirect_uri=ELSEWHERE, **changes)

    assert page.status_code == 400
    assert "Location" not in page.headers
    assert "Go to evil.example" in page.text
    link = html.unescape(re.search(r'href="(https://evil[^"]*)" rel="noopener noreferrer external"', page.text)[1])
    assert link.startswith(f"{ELSEWHERE}?error={error}&")
    assert "state=xyz" in link
    assert "iss=" in link


@pytest.mark.parametrize("uri", ["http://127.0.0.1:33418/callback", "com.example.app:/callback"])
def test_a_program_on_the_persons_own_device_is_told_at_once(signed_in, db, uri):
    app = described(db, uri)

    answer = dance.authorize(signed_in, app, redirect_uri=uri, scope="bogus")

    assert answer.headers["Location"].startswith(f"{uri}?error=invalid_scope&")


@pytest.mark.standard("B-10", "B-11")
def test_its_maker_relying_on_it_vouches_for_nothing(client, alice, db):
    app = described(db, ELSEWHERE)
    grants.allow(alice, app.client, ["account:read"])
    db.commit()

    answer = dance.authorize(client, app, redirect_uri=ELSEWHERE, prompt="none")

    assert answer.status_code == 400
    assert "evil.example" not in answer.text

"""Ending every token at once, by its own button or with the password."""

import pytest

from latchkey import grants
from latchkey.journal import activity
from latchkey.store.session import db as session
from tests import pages
from tests.bearers import works
from tests.factories import PASSWORD, make_token


@pytest.fixture
def held(alice, bob, example_client):
    """What Alice has, and something of Bob's."""
    grants.allow(alice, example_client.client, ["account:read"])
    session.commit()
    return [make_token(alice, description=name).plaintext for name in ("One", "Two")], make_token(bob).plaintext


@pytest.mark.parametrize("apps", [False, True])
def test_all_tokens_end_by_one_button_and_those_of_others_go_on(signed_in, alice, held, apps):
    own, his = held
    listed = signed_in.get("/tokens")
    asked = signed_in.get("/tokens/revoke-all")
    before = [works(plaintext) for plaintext in own]
    answer = pages.submit(signed_in, "/tokens/revoke-all", **({"apps": "y"} if apps else {}))

    assert 'href="/tokens/revoke-all"' in listed.text
    assert "Revoke all your tokens?" in asked.text
    assert before == [True, True]
    assert (answer.status_code, answer.location) == (303, "/tokens")
    assert "Revoked 2 tokens" in signed_in.get("/tokens").text
    assert [works(plaintext) for plaintext in (*own, his)] == [False, False, True]
    assert bool(grants.list_for(alice)) is not apps
    assert "token.revoked" in [event.kind for event in activity.list_for(alice)]


@pytest.mark.standard("L-07")
@pytest.mark.parametrize("revoke", [False, True])
def test_a_password_change_can_end_tokens_and_the_access_of_apps(signed_in, alice, held, revoke):
    own, _ = held
    fields = {"current": PASSWORD, "password": "lantern-orchid-57-gravel"} | ({"revoke": "y"} if revoke else {})
    answer = pages.submit(signed_in, "/settings/password", form="/settings", **fields)

    assert answer.status_code == 303
    assert [works(plaintext) for plaintext in own] == [not revoke, not revoke]
    assert bool(grants.list_for(alice)) is not revoke
    assert ("Your tokens and the access of apps are revoked." in signed_in.get("/settings").text) is revoke

"""/oauth/introspect (RFC 7662): whole answers about live tokens, one answer about all others (F-06, F-07)."""

import json
from datetime import timedelta

import pytest

from latchkey import clients, clock, tokens
from latchkey.accounts import users
from latchkey.store.session import db
from latchkey.tokens.bearer import Bearer
from oauth.endpoints import introspection
from tests import factories
from tests.oauth import dance


def told(caller, registered, token, **more):
    answer = dance.post(caller, "/oauth/introspect", registered, token=token, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


@pytest.mark.standard("F-07")
def test_an_access_token(signed_in, caller, alice, example_client, clock):
    issued = dance.tokens(signed_in, example_client)
    now = int(clock.now().timestamp())

    assert told(caller, example_client, issued["access_token"]) == {
        "active": True,
        "scope": "account:read",
        "client_id": example_client.client.id,
        "sub": alice.id,
        "aud": ["http://localhost"],
        "iss": "http://localhost",
        "iat": now,
        "exp": now + 3600,
        "token_type": "Bearer",
    }


def test_a_developer_token(caller, alice, example_client, clock):
    made = factories.make_token(alice, scopes=("account:read", "activity:read"), lifetime=timedelta(days=30))
    endless = factories.make_token(alice, description="Endless", lifetime=None)
    now = int(clock.now().timestamp())

    body = told(caller, example_client, made.plaintext)

    assert body["active"] is True
    assert body["sub"] == alice.id
    assert body["scope"] == "account:read activity:read"
    assert body["exp"] == now + 30 * 86400
    assert "client_id" not in body
    assert "exp" not in told(caller, example_client, endless.plaintext)


@pytest.mark.standard("F-06")
def test_no_name_and_no_address(signed_in, caller, alice, bob, example_client):
    other = factories.make_client(bob, name="Other")
    issued = dance.tokens(signed_in, example_client)

    for token in (issued["access_token"], factories.make_token(alice).plaintext):
        text = str(told(caller, other, token))
        assert "alice" not in text.lower()
        assert "@" not in text
        assert "Example" not in text


def test_texts_are_quoted_whatever_is_in_them(settings):
    odd = 'https://app.example.com/"\\\n\u2028é\U0001f511'
    access = Bearer(*[None] * len(Bearer._fields))
    token = access._replace(scope=odd, client_url=odd, created="2026-11-29 13:00:00.500000", expires=clock.now())

    body = json.loads(introspection.described(token))

    assert (body["scope"], body["sub"], body["client_id"], body["iat"]) == (odd, odd, odd, 1_795_957_200)
    assert introspection.described(token).isascii()


@pytest.mark.parametrize("hint", ["refresh_token", "bogus"])
def test_a_hint_changes_nothing(signed_in, caller, example_client, hint):
    issued = dance.tokens(signed_in, example_client)

    assert told(caller, example_client, issued["access_token"], token_type_hint=hint)["active"] is True


@pytest.mark.standard("F-07")
def test_whatever_is_wrong_the_answer_is_the_same(signed_in, caller, *, alice, bob, example_client, clock):
    issued = dance.tokens(signed_in, example_client)
    revoked = factories.make_token(alice, description="Revoked")
    tokens.revoke(tokens.get_for(users.find(alice.id), revoked.token.id))
    db.commit()
    of_disabled = factories.make_token(users.find(bob.id)).plaintext
    suspended = factories.make_client(users.find(bob.id), name="Suspended")
    users.disable(users.find(bob.id))
    db.commit()
    from_suspended = dance.tokens(signed_in, suspended)["access_token"]
    clients.suspend(clients.find(suspended.client.id))
    db.commit()
    flipped = issued["access_token"][:-1] + ("0" if issued["access_token"][-1] != "0" else "1")

    for token in (
        revoked.plaintext,
        of_disabled,
        from_suspended,
        flipped,
        issued["refresh_token"],
        example_client.secret,
        "x",
        "é",
        "lk_oat_000000000000000000000000000000000000",
    ):
        assert told(caller, example_client, token) == {"active": False}, token
    clock.move(hours=1, seconds=1)
    assert told(caller, example_client, issued["access_token"]) == {"active": False}


def test_a_missing_token_is_said_so(caller, example_client):
    answer = dance.post(caller, "/oauth/introspect", example_client)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.standard("I-12")
@pytest.mark.parametrize("marked", [True, False])
def test_a_bound_token_is_active_for_a_caller_inside_its_ranges_alone(caller, alice, example_client, marked):
    clients.mark_resource_server(example_client.client, on=marked)
    db.commit()
    # The resource server itself stands inside; that opens nothing.
    made = factories.make_token(alice, addresses=["203.0.113.0/24", "127.0.0.0/8"])

    assert told(caller, example_client, made.plaintext) == {"active": False}
    for outside in ("", "198.51.100.1", "x", "2001:db8::1", "203.0.113.9, 198.51.100.1", "203.0.113.0/24", "*"):
        assert told(caller, example_client, made.plaintext, client_address=outside) == {"active": False}
    for inside in ("203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9:4711"):
        assert told(caller, example_client, made.plaintext, client_address=inside)["active"] is True


@pytest.mark.standard("I-12")
@pytest.mark.parametrize("fields", [["203.0.113.9", "203.0.113.9"], ["203.0.113.9", "198.51.100.1"]])
def test_an_address_that_is_sent_twice_is_a_mistake_and_no_choice(caller, alice, example_client, fields):
    made = factories.make_token(alice, addresses=["203.0.113.0/24"])

    answer = dance.post(caller, "/oauth/introspect", example_client, token=made.plaintext, client_address=fields)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_an_address_means_nothing_to_a_token_that_is_bound_to_none(caller, alice, example_client):
    made = factories.make_token(alice)

    assert told(caller, example_client, made.plaintext, client_address="x")["active"] is True

"""How many SQL statements the endpoints take that programs ask most; a further one has to be meant."""

import sqlite3

import pytest

from latchkey import credentials
from latchkey.credentials import Kind
from latchkey.store.drivers.transactions import write_lock
from latchkey.store.session import db, engines
from tests import factories
from tests.oauth import dance
from tests.statements import counted


@pytest.fixture
def statements(monkeypatch):
    """What was asked of the database since it was last emptied; BEGIN and COMMIT are not in it."""
    yield counted(monkeypatch)
    db.remove()


def count(statements):
    real = [text.split()[0] for text in statements if not text.startswith("BEGIN")]
    statements.clear()
    return real


def test_token_and_its_neighbours(signed_in, caller, alice, example_client, statements):
    code = dance.code(signed_in, example_client)
    developers = factories.make_token(alice).plaintext
    embedded = engines().embedded
    exchange, beginning = (["UPDATE"] if embedded else ["WITH"]), (["INSERT"] * 2 if embedded else ["WITH"])
    exchange += ["INSERT"] * 2 if embedded else []
    # The first use in a minute of a secret is noted.
    dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")
    statements.clear()

    issued = dance.redeem(caller, example_client, code).json
    assert count(statements) == ["SELECT", *exchange]

    issued = dance.refresh(caller, example_client, issued["refresh_token"]).json
    assert count(statements) == ["SELECT", *exchange]

    dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")
    assert count(statements) == ["SELECT", *beginning]

    for token in (issued["access_token"], developers):
        dance.post(caller, "/oauth/introspect", example_client, token=token)
        assert count(statements) == ["SELECT"]

        caller.get("/oauth/check?scope=account:read", headers={"Authorization": f"Bearer {token}"})
        assert count(statements) == ["SELECT"]


def test_no_statement_is_compiled_twice(signed_in, caller, example_client):
    """SQLite does that by itself, unasked, when a parameter decides whether an index holds all that is looked for."""
    compiled = []

    def go_round(refresh):
        dance.redeem(caller, example_client, dance.code(signed_in, example_client))
        dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")
        return dance.refresh(caller, example_client, refresh).json["refresh_token"]

    with write_lock() as writer:
        if writer is not None:
            writer.set_authorizer(lambda *what: compiled.append(what) or sqlite3.SQLITE_OK)
    newest = go_round(dance.tokens(signed_in, example_client)["refresh_token"])
    compiled.clear()

    go_round(newest)

    assert compiled == []


@pytest.mark.parametrize("token", ["x", "lk_oat_000000000000000000000000000000000000", ""])
def test_what_is_no_token_costs_nothing(caller, settings, statements, token):
    caller.get("/oauth/check", headers={"Authorization": f"Bearer {token}"})

    assert count(statements) == []


@pytest.mark.standard("I-12")
@pytest.mark.settings(trusted_proxies=1)
def test_ranges_cost_no_statement_and_outside_as_many_as_an_unknown_token(caller, alice, statements):
    bound = factories.make_token(alice, addresses=["203.0.113.0/24"]).plaintext
    statements.clear()

    def asked(path, token, address, status):
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
        assert caller.get(path, headers=headers).status_code == status
        return count(statements)

    for path in ("/v1/me", "/oauth/check"):
        assert asked(path, bound, "203.0.113.9", 200) == ["SELECT"]
        unknown = asked(path, credentials.generate(Kind.DEVELOPER), "198.51.100.1", 401)
        assert asked(path, bound, "198.51.100.1", 401) == unknown == ["SELECT", "SELECT"]

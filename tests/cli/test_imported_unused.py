"""Imported tokens whose strings were never used here: whoever holds one ends it, and every app may ask about it."""

import hashlib
import sqlite3

import pytest

from latchkey import tokens
from latchkey.oversight import keys
from latchkey.safety import scanner_keys
from latchkey.store import session as store
from latchkey.tokens.imported import lookup
from tests import factories
from tests.cli import moving
from tests.cli.moving import SCOPES, lines, row
from tests.cli.test_import import CSV, QUICK
from tests.cli.test_moved_apps import ID, SECRET, SLOW, USER, access_token, application
from tests.oauth import dance
from tests.oauth.signing import Pair, key_set

SCANNER = "https://scanner.example/keys"
MOMENT = "2026-01-02 03:04:05"
SLOW_KEY = [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n']


@pytest.fixture
def bring(app, cli, tmp_path):
    """Import these lines from a system."""

    def bring(system: str, rows, *more: str) -> None:
        cli.json("import", lines(tmp_path / "file", rows), "--from", system, *SCOPES, *more)

    yield bring
    store.db.remove()


@pytest.fixture
def signed(bring, tmp_path):
    """The access token of a public app that Passport signed."""
    signer, key = moving.Signer(), tmp_path / "public.key"
    key.write_bytes(signer.public())
    app = {"redirect": "https://a.example.com/cb", "revoked": 0, "secret": None, "user_id": 1}
    token = {"user_id": 1, "revoked": False, "created_at": MOMENT, "expires_at": "2100-01-02 03:04:05"}
    rows = [
        row("users", id=1, name="Ada", email="ada@example.com", email_verified_at=MOMENT),
        *(row("oauth_clients", id=number, name="App", personal_access_client=0, **app) for number in (1, 2)),
        row("oauth_access_tokens", id="j1", client_id=1, name=None, scopes='["read"]', **token),
    ]
    bring("passport", rows, "--public-key", str(key))
    return signer.token("j1")


def checked(app, token: str) -> int:
    return app.test_client().get("/oauth/check", headers={"Authorization": f"Bearer {token}"}).status_code


def reported(app, *found: str) -> int:
    return app.test_client().post("/v1/credentials/revoke", json={"credentials": list(found)}).status_code


@pytest.mark.standard("I-10")
@pytest.mark.parametrize("plaintext", ["1.slow", "2|laravel", "3.salted"])
def test_whoever_finds_a_key_that_was_never_used_here_ends_it(app, bring, mailbox, plaintext):
    salted = "sha256$salt$" + hashlib.sha256(b"salt" + b"salted").hexdigest()
    sanctum = f'2,ada@example.com,,,read,,"{QUICK.hash("laravel")}",,\n'
    bring("csv", [*SLOW_KEY, sanctum, f"3,ada@example.com,,,read,,{salted},,\n"])

    assert reported(app, "1.guess", "nobody.knows", plaintext) == 202

    assert tokens.find(plaintext).status == "revoked"
    assert checked(app, plaintext) == 401
    assert [letter.to for letter in mailbox.letters()] == ["ada@example.com"]


@pytest.mark.standard("I-10", "L-05")
def test_guesses_among_what_is_reported_are_counted_before_they_are_compared(app, bring, monkeypatch):
    bring("csv", SLOW_KEY)
    monkeypatch.setattr(lookup, "PROOFS", (lookup.Limit(2, lookup.PROOFS[0].window),))

    assert reported(app, *(f"1.guess{number}" for number in range(3))) == 429
    assert reported(app, "of.nobody") == 202


@pytest.mark.standard("I-11")
@pytest.mark.settings(scanner_keys_url=SCANNER)
def test_what_a_scanner_finds_of_another_system_is_known_and_ended(app, cli, bring, monkeypatch):
    cli.environment["LATCHKEY_SCANNER_KEYS_URL"] = SCANNER
    bring("csv", SLOW_KEY)
    monkeypatch.setattr(scanner_keys, "signed", lambda *_: True)
    found = [{"token": text, "type": "old_key", "url": "", "source": ""} for text in ("1.guess", "1.slow")]

    told = app.test_client().post("/v1/credentials/alerts", json=found)

    assert [verdict["label"] for verdict in told.json] == ["false_positive", "true_positive"]
    assert checked(app, "1.slow") == 401


@pytest.mark.standard("F-04", "F-05")
def test_an_app_ends_its_token_that_was_never_used_here_and_no_other_app_does(app, signed):
    caller = app.test_client(use_cookies=False)

    def revoked(client_id: str):
        told = caller.post("/oauth/revoke", data={"token": signed, "client_id": client_id})
        return told.status_code, told.json

    assert revoked("2") == (200, {})
    assert checked(app, signed) == 200
    assert revoked("1") == (200, {})
    assert checked(app, signed) == 401


@pytest.mark.standard("F-05")
def test_the_first_that_is_done_with_a_token_may_be_its_end(app, signed):
    assert app.test_client().post("/oauth/revoke", data={"token": signed, "client_id": "1"}).json == {}

    assert checked(app, signed) == 401


@pytest.mark.standard("F-07", "A-06")
def test_an_app_that_signs_is_told_of_a_token_that_is_still_to_be_proved(app, bring):
    bring("csv", SLOW_KEY)
    service, pair = factories.make_client(factories.make_user("ops@example.com")).client, Pair()
    factories.give_keys(service, key_set(pair))
    caller = app.test_client(use_cookies=False)

    def told(token: str):
        answer = caller.post("/oauth/introspect", data={"token": token} | pair.proof(service.id))
        return answer.status_code, answer.json["active"]

    assert told("1.guess") == (200, False)
    assert told("1.slow") == told("1.slow") == (200, True)


@pytest.mark.standard("F-07", "A-06")
def test_an_app_whose_own_secret_is_still_to_be_proved_asks_about_such_a_token(app, bring):
    bring("csv", SLOW_KEY)
    bring("django-oauth-toolkit", [USER, application(client_secret=SLOW["Django"]), access_token(1, "one")])

    proof = dance.basic(ID, SECRET[:40])
    told = app.test_client().post("/oauth/introspect", data={"token": "1.slow"}, headers=proof)

    assert (told.status_code, told.json["active"]) == (200, True)


@pytest.mark.standard("H-11", "A-06")
@pytest.mark.parametrize("fault", [sqlite3.OperationalError("database or disk is full"), TimeoutError("too slow")])
def test_where_nothing_can_be_written_a_gateway_still_hears_no(app, bring, monkeypatch, fault):
    """A proof is counted before it is made, and kept after that."""

    def full(*_, **__):
        raise fault

    bring("csv", SLOW_KEY)
    monkeypatch.setattr(lookup.throttle, "admit", full)
    headers, caller = {"Authorization": "Bearer 1.slow"}, app.test_client()

    told = caller.get("/oauth/check", headers=headers)
    assert (told.status_code, told.headers["Cache-Control"]) == (403, "no-store")
    assert 'error="temporarily_unavailable"' in told.headers["WWW-Authenticate"]
    assert caller.get("/v1/me", headers=headers).status_code == (503 if isinstance(fault, sqlite3.Error) else 500)


def test_an_administrator_finds_whose_an_imported_key_is_before_its_first_use(bring):
    bring("csv", SLOW_KEY)

    assert keys.find("1.guess") is None
    assert keys.find("1.slow").owner.email == "ada@example.com"

"""Apps that come in go on with the client_id, the secret and the refresh tokens that they have."""

import base64
import hashlib

import bcrypt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from latchkey import clients, credentials, grants
from latchkey.accounts.users import User
from latchkey.clients import Client, ClientSecret
from latchkey.clients.moved.record import ForeignClient, ForeignSecret
from latchkey.grants import Authorization, Grant
from latchkey.journal.refusals import Refusal
from latchkey.oversight import keys
from latchkey.store import session as store
from latchkey.tokens import Token
from latchkey.tokens.imported import lookup, proofs
from latchkey.tokens.imported import record as imported
from latchkey.transfer.moving.systems import laravel
from latchkey.values import Limit
from tests import factories
from tests.cli.moving import SCOPES, django, lines, row
from tests.crowd import at_once
from tests.oauth import dance
from tests.oauth.conftest import enter

ID, SECRET = "hN3bYq0ZkT7cWm5R9xLd2sVfGj8PaUeQ4iTo1yBw", "s" * 128
MOMENT = "2026-01-02 03:04:05.678"
USER = django("auth.user", 1, username="ada", email="ada@example.com", is_active=True)


def application(pk=5, **fields) -> dict:
    told = {"client_id": ID, "user": 1, "name": "Rockets", "client_type": "confidential", "client_secret": SECRET}
    told |= {"redirect_uris": "https://rockets.example.com/cb"}
    return django("oauth2_provider.application", pk, **told | fields)


def access_token(pk, token, **fields) -> dict:
    told = {"user": 1, "application": 5, "token": token, "scope": "read write", "expires": "2100-01-01T00:00:00Z"}
    return django("oauth2_provider.accesstoken", pk, **told | fields)


def refresh_token(pk, token, beside, **fields) -> dict:
    told = {"user": 1, "application": 5, "token": token, "access_token": beside, "revoked": None}
    return django("oauth2_provider.refreshtoken", pk, **told | fields)


@pytest.fixture
def bring(app, cli, tmp_path):
    """Import these lines from a system; what the command says."""

    def bring(system: str, rows, *more: str) -> dict:
        return cli.json("import", lines(tmp_path / "file", rows), "--from", system, *SCOPES, *more)

    yield bring
    store.db.remove()


@pytest.fixture
def ask(app):
    """An app's request at the token endpoint."""
    caller = app.test_client(use_cookies=False)

    def ask(client_id: str, secret: str | None, **form: str):
        headers = dance.basic(client_id, secret) if secret is not None else {}
        form |= {} if secret is not None else {"client_id": client_id}
        return caller.post("/oauth/token", data=form, headers=headers)

    return ask


def refreshed(ask, token: str, client_id: str = ID, secret: str | None = SECRET, **more: str):
    return ask(client_id, secret, grant_type="refresh_token", refresh_token=token, **more)


@pytest.mark.standard("D-04", "E-05")
def test_an_app_goes_on_with_its_client_id_its_secret_and_its_refresh_tokens(app, bring, ask):
    told = bring(
        "django-oauth-toolkit",
        [
            refresh_token(1, "refresh-of-ada", 1),
            refresh_token(2, "taken-back", 2, revoked="2026-01-01T00:00:00Z"),
            refresh_token(3, "alone", 99),
            refresh_token(4, "of-nothing", None),
            access_token(1, "over", expires="2020-01-01T00:00:00Z"),
            access_token(2, "still-good"),
            application(),
            USER,
        ],
    )

    first = refreshed(ask, "refresh-of-ada")
    assert first.status_code == 200, first.json
    assert first.json["scope"] == "account:read account:write"
    assert dance.works(app.test_client(), first.json["access_token"])
    assert refreshed(ask, "taken-back").json["error"] == "invalid_grant"
    assert refreshed(ask, "refresh-of-ada", secret="t" * 128).status_code == 401
    assert told["tokens"] == {"new": 2, "known": 0, "skipped": 2}
    assert {each["why"].partition(": ")[2] for each in told["skipped"]} == {
        "a refresh token whose access token is not in the file: nobody knows its scopes"
    }
    # A copy of it is recognised like one of ours.
    assert refreshed(ask, "refresh-of-ada").json["error"] == "invalid_grant"
    assert refreshed(ask, first.json["refresh_token"]).json["error"] == "invalid_grant"
    assert not dance.works(app.test_client(), first.json["access_token"])
    assert dance.works(app.test_client(), "still-good")
    assert ask(ID, SECRET, grant_type="client_credentials").json["scope"] == "account:read account:write"


def test_a_refresh_token_and_the_token_beside_it_end_together(app, bring):
    bring("django-oauth-toolkit", [USER, application(), access_token(1, "one"), refresh_token(1, "again", 1)])
    [grant] = store.db.scalars(select(Grant))
    assert {token.kind for token in store.db.scalars(select(Token).where(Token.grant_id == grant.id))} == {"oat", "ort"}

    caller = app.test_client(use_cookies=False)
    assert caller.post("/oauth/revoke", data={"token": "again"}, headers=dance.basic(ID, SECRET)).status_code == 200

    assert not dance.works(app.test_client(), "one")


PBKDF2 = "pbkdf2_sha256$10$salt$" + base64.b64encode(
    hashlib.pbkdf2_hmac("sha256", SECRET[:40].encode(), b"salt", 10)
).decode()  # fmt: skip
SLOW = {
    "Django": PBKDF2,
    "Django's Argon2": "argon2" + PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(SECRET[:40]),
    "bcrypt": bcrypt.hashpw(SECRET[:40].encode(), bcrypt.gensalt(4)).decode(),
}


@pytest.mark.standard("D-06", "I-02")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("kept", SLOW.values(), ids=list(SLOW))
def test_a_slow_secret_is_proved_once_and_known_as_ours_then(bring, ask, kept, monkeypatch):
    bring("django-oauth-toolkit", [USER, application(client_secret=kept), access_token(1, "one")])
    wanted = {"grant_type": "client_credentials"}
    # Whoever has read what was kept has nothing.
    assert ask(ID, kept, **wanted).status_code == ask(ID, "w" * 40, **wanted).status_code == 401

    assert ask(ID, SECRET[:40], **wanted).status_code == 200

    monkeypatch.setattr(proofs, "verifier", lambda *_: pytest.fail("it was proved before"))
    assert ask(ID, SECRET[:40], **wanted).status_code == 200
    assert ask(ID, "w" * 40, **wanted).status_code == 401
    assert store.db.scalar(select(ForeignSecret)) is None
    assert store.db.scalars(select(ClientSecret)).one().last4 == "ssss"


@pytest.mark.standard("D-08")
def test_strangers_cannot_have_secrets_hashed_at_will_and_lock_nobody_out(app, bring, ask, monkeypatch):
    bring("django-oauth-toolkit", [USER, application(client_secret=PBKDF2), access_token(1, "one")])
    monkeypatch.setattr(lookup, "PROOFS", (Limit(2, lookup.PROOFS[0].window),))
    made = []
    real = proofs.verifier
    monkeypatch.setattr(proofs, "verifier", lambda kept: made.append(kept) or real(kept))
    wanted = {"grant_type": "client_credentials"}

    answers = [ask(ID, f"{number:040}", **wanted) for number in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 2 + [429] * 3
    assert all(0 < int(answer.headers["Retry-After"]) <= 60 for answer in answers[2:])
    assert len(made) == 2
    # Too short for any that a system made, and an app that nobody knows: nothing is hashed.
    assert ask(ID, "short", **wanted).status_code == ask("nobody", "w" * 40, **wanted).status_code == 401
    assert len(made) == 2

    monkeypatch.undo()
    elsewhere = app.test_client(use_cookies=False)
    answer = elsewhere.post(
        "/oauth/token", data=wanted, headers=dance.basic(ID, SECRET[:40]), environ_base={"REMOTE_ADDR": "198.51.100.9"}
    )
    assert answer.status_code == 200


def test_people_are_asked_under_the_client_id_that_the_app_had(app, bring, ask):
    factories.make_user("ada@example.com")
    bring("django-oauth-toolkit", [USER, application(), access_token(1, "one", scope="read")])
    ada = store.db.scalars(select(User).where(User.email == "ada@example.com")).one()
    [client] = store.db.scalars(select(Client))
    browser = enter(app.test_client(), ada)
    verifier = "v" * 43
    asked = {
        "response_type": "code", "client_id": ID, "redirect_uri": "https://rockets.example.com/cb", "state": "x",
        "scope": "account:read", "code_challenge_method": "S256", "prompt": "consent",
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
    }  # fmt: skip
    page = browser.get("/oauth/authorize", query_string=asked)
    assert client.name in page.text
    code = dance.back(dance.decide(browser, page)).parameters["code"]

    form = {"grant_type": "authorization_code", "redirect_uri": asked["redirect_uri"], "code_verifier": verifier}
    # Its new one opens the same.
    assert ask(client.id, SECRET, code="wrong", **form).json["error"] == "invalid_grant"
    assert ask(ID, SECRET, code=code, **form).json["scope"] == "account:read"


def test_refresh_tokens_of_doorkeeper_come_in_plain_or_hashed_and_those_of_passport_do_not(bring, ask):
    token = {"resource_owner_id": 1, "application_id": 1, "scopes": "read", "created_at": MOMENT, "expires_in": 7200}
    bring(
        "doorkeeper",
        [
            row("users", id=1, email="ada@example.com", confirmed_at=MOMENT),
            row("oauth_applications", id=1, uid="u" * 43, secret=hashlib.sha256(b"d" * 43).hexdigest(), name="App",
                redirect_uri="https://a.example.com/cb", scopes="read", confidential=True, owner_id=1),
            row("oauth_access_tokens", id=1, token="t" * 43, refresh_token="plain-refresh", revoked_at=None, **token),
            row("oauth_access_tokens", id=2, token=hashlib.sha256(b"x").hexdigest(), revoked_at=None,
                refresh_token=hashlib.sha256(b"hashed-refresh").hexdigest(), **token),
            row("oauth_access_tokens", id=3, token="v" * 43, refresh_token="gone", revoked_at=MOMENT, **token),
        ],
    )  # fmt: skip
    for good in ("plain-refresh", "hashed-refresh"):
        assert refreshed(ask, good, "u" * 43, "d" * 43).status_code == 200
    for bad in ("gone", hashlib.sha256(b"hashed-refresh").hexdigest(), "t" * 43):
        assert refreshed(ask, bad, "u" * 43, "d" * 43).json["error"] == "invalid_grant"

    secret = bcrypt.hashpw(b"p" * 40, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    told = bring(
        "passport",
        [
            row("users", id=1, name="Ada", email="ada@example.com", email_verified_at=MOMENT),
            row("oauth_clients", id=3, name="Laravel", secret=secret, user_id=1, redirect="https://l.example.com/cb"),
            row("oauth_refresh_tokens", id="r", access_token_id="j1"),
        ],
    )
    assert [each["why"] for each in told["skipped"]] == [laravel.SEALED]
    # It has no scope yet, and is itself.
    assert ask("3", "p" * 40, grant_type="client_credentials").json["error"] == "invalid_scope"
    assert ask("3", "q" * 40, grant_type="client_credentials").json["error"] == "invalid_client"


@pytest.mark.standard("I-10")
def test_a_secret_that_somebody_found_is_ended_and_its_owner_is_found_by_it(app, bring, ask):
    bring("django-oauth-toolkit", [*ALL, refresh_token(1, "again-and-again", 1)])
    assert keys.find(SECRET).client.name == keys.find(ID).client.name == "Rockets"

    found = {"credentials": [SECRET, "again-and-again"]}
    assert app.test_client().post("/v1/credentials/revoke", json=found).status_code == 202

    assert ask(ID, SECRET, grant_type="client_credentials").status_code == 401
    assert not dance.works(app.test_client(), "one")
    assert not keys.find(SECRET).live


def test_a_public_app_refreshes_without_a_secret(bring, ask):
    bring("django-oauth-toolkit", [USER, application(client_type="public"), access_token(1, "one", scope="read"),
                                   refresh_token(1, "again", 1)])  # fmt: skip

    assert refreshed(ask, "again", secret=None).status_code == 200
    assert store.db.scalar(select(ClientSecret)) is None


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"client_secret": "short"}, "its secret has less than 20 characters"),
        ({"client_secret": "md5$salt$" + "0" * 32}, "its secret does not come along (the algorithm"),
        ({"client_id": "https://id.example.com/me"}, "or it is none that can be kept"),
        ({"client_id": "a\x7fb"}, "or it is none that can be kept"),
        ({"client_id": "app_" + "0" * 28 + "\n"}, "or it is none that can be kept"),
        ({"client_id": "taken"}, "another app has its client_id"),
    ],
)
def test_what_an_app_cannot_go_on_with_is_told_and_the_app_is_there(bring, ask, changes, why):
    bring("django-oauth-toolkit", [USER, application(1, client_id="taken", name="First", client_secret="f" * 40)])

    told = bring("django-oauth-toolkit", [application(7, **changes), USER])

    assert told["apps"] == {"new": 1, "known": 0, "skipped": 0}
    assert why in told["skipped"][0]["why"]
    if "client_secret" in changes:
        assert ask(ID, changes["client_secret"], grant_type="client_credentials").status_code == 401
    if changes.get("client_id") == "taken":
        assert clients.find("taken").name == "First"


@pytest.mark.standard("D-04")
@pytest.mark.parametrize("confidential", [True, False])
def test_who_wrote_the_id_of_an_app_of_ours_there_does_not_become_it(app, bring, db, confidential):
    theirs = factories.make_client(factories.make_user("bob@example.com"), confidential=confidential).client

    told = bring("django-oauth-toolkit", [USER, application(client_id=theirs.id, client_type="public"),
                                          access_token(1, "one", scope="read")])  # fmt: skip

    assert told["skipped"][0]["why"] == "app 5: another app here has its client_id"
    assert not dance.works(app.test_client(), "one")
    assert db.scalar(select(Grant)) is None


def test_a_secret_that_another_app_has_is_not_kept_twice(bring, ask):
    told = bring("django-oauth-toolkit", [USER, application(1), application(2, client_id="second")])

    assert told["skipped"] == [{"line": 3, "why": "app 2: another app has its secret: rotate it"}]
    assert ask("second", SECRET, grant_type="client_credentials").status_code == 401


def test_a_slow_secret_that_another_app_has_is_told_so_when_it_is_known(bring, ask, db):
    kept = {"client_secret": PBKDF2}
    bring("django-oauth-toolkit", [USER, application(1, **kept), application(2, client_id="second", **kept)])
    wanted = {"grant_type": "client_credentials"}

    first, second = ask(ID, SECRET[:40], **wanted), ask("second", SECRET[:40], **wanted)

    assert (first.json.get("error"), second.json["error"]) == ("invalid_scope", "invalid_client")
    [refusal] = [each for each in db.scalars(select(Refusal)) if each.client_id == clients.find("second").id]
    assert refusal.reason == "another app has the same client secret: rotate it"


def test_an_app_that_comes_several_times_at_once_with_its_slow_secret_is_known_each_time(bring, ask):
    bring("django-oauth-toolkit", [USER, application(client_secret=PBKDF2), access_token(1, "one", scope="read")])

    told = at_once(*[lambda: ask(ID, SECRET[:40], grant_type="client_credentials").status_code] * 6)

    assert told == [200] * 6


def test_ids_of_others_are_looked_up_only_after_an_import_and_go_with_the_app(bring, ask, db):
    bring("django-oauth-toolkit", [USER, application()])
    credentials.expect_foreign(on=False)
    assert ask(ID, SECRET, grant_type="client_credentials").status_code == 401
    imported.refresh()
    assert clients.find(ID) is not None

    clients.remove(clients.find(ID))
    db.commit()

    assert (db.scalar(select(ForeignClient)), db.scalar(select(ForeignSecret))) == (None, None)
    assert bring("django-oauth-toolkit", [USER, application()])["apps"]["skipped"] == 1
    assert ask(ID, SECRET, grant_type="client_credentials").status_code == 401


def test_a_secret_that_was_ended_here_is_not_proved_any_more(bring, ask, db):
    bring("django-oauth-toolkit", [USER, application(client_secret=PBKDF2), access_token(1, "one")])
    clients.end_secrets(clients.find(ID))
    db.commit()

    assert ask(ID, SECRET[:40], grant_type="client_credentials").status_code == 401


ALL = [USER, application(), access_token(1, "one", scope="read")]


@pytest.mark.standard("I-06")
def test_an_import_widens_nothing_that_somebody_agreed_to_here(bring, db, app):
    ada = factories.make_user("ada@example.com")
    bring("django-oauth-toolkit", [USER, application()])
    [client] = db.scalars(select(Client))
    client.scope = "account:read account:write"
    grants.allow(ada, client, ["account:read"])
    db.commit()

    told = bring(
        "django-oauth-toolkit",
        [*ALL[:2], access_token(1, "both"), access_token(2, "more", scope="write"), refresh_token(1, "r", 1)],
    )

    assert db.scalars(select(Authorization)).one().scope == "account:read"
    assert told["tokens"] == {"new": 2, "known": 0, "skipped": 1}
    assert told["skipped"][0]["why"] == "token 2: its app may have none of its scopes here"
    assert {token.scope for token in db.scalars(select(Token))} == {"account:read"}
    assert {grant.scope for grant in db.scalars(select(Grant))} == {"account:read"}


@pytest.mark.parametrize("again", [False, True], ids=["in one file", "in two"])
def test_what_an_import_brought_grows_with_its_tokens_until_somebody_agrees_here(bring, db, app, again):
    first = [*ALL, access_token(3, "wide")]
    bring("django-oauth-toolkit", first)
    assert db.scalars(select(Authorization)).one().scope == "account:read account:write"
    if again:
        ada = store.db.scalars(select(User).where(User.email == "ada@example.com")).one()
        grants.allow(ada, clients.find(ID), ["account:read"])
        db.commit()
        db.scalars(select(Authorization)).one().scope = "account:read"
        db.commit()

    bring("django-oauth-toolkit", [*first, access_token(4, "wide again")])

    expected = "account:read" if again else "account:read account:write"
    assert db.scalars(select(Authorization)).one().scope == expected


def test_a_repeated_import_gives_an_app_no_scope_that_was_taken_from_it(bring, db, app):
    bring("django-oauth-toolkit", [*ALL, access_token(2, "wide")])
    client = clients.find(ID)
    client.scope = "account:read"
    db.commit()

    told = bring("django-oauth-toolkit", [*ALL, access_token(2, "wide"), access_token(3, "wide too")])

    assert clients.find(ID).scope == "account:read"
    assert (told["tokens"]["new"], told["tokens"]["known"]) == (1, 2)
    assert dance.works(app.test_client(), "wide too")


def test_an_app_that_was_taken_back_here_gets_nothing_by_an_import(bring, db, app):
    bring("django-oauth-toolkit", ALL)
    grants.withdraw(db.scalars(select(Authorization)).one())
    db.commit()

    told = bring("django-oauth-toolkit", [*ALL, access_token(2, "two"), refresh_token(1, "again", 2)])

    assert told["tokens"] == {"new": 0, "known": 1, "skipped": 2}

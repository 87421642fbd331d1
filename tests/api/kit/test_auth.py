"""Who is let in, and what those are told who are not."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Response
from sqlalchemy import update

from api.kit import auth
from api.kit.blueprint import ApiBlueprint
from latchkey import clients, grants, tokens
from latchkey.accounts import users
from latchkey.store.session import db
from latchkey.tokens import Token, usage
from tests import factories
from tests.api.calls import Caller, app_caller, caller, problem
from tests.statements import counted

UNKNOWN = "lk_dev_" + "0" * 30


def challenge(response):
    """The attributes of a Bearer challenge."""
    scheme, _, rest = response.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


@pytest.mark.standard("H-02", "H-10")
def test_a_call_without_a_token_is_challenged_without_an_error(nobody):
    response = nobody.get("/v1/me")

    problem(response, 401, "no-token")
    said = challenge(response)
    assert "error" not in said
    assert said["realm"]
    assert said["resource_metadata"] == "http://localhost/.well-known/oauth-protected-resource"


@pytest.mark.standard("H-01")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(hers, scheme):
    assert hers.get("/v1/me", Authorization=f"{scheme} {hers.plaintext}").status_code == 200


@pytest.mark.standard("H-02")
@pytest.mark.parametrize("scheme", ["Basic", "Token", "DPoP", "Digest"])
def test_another_scheme_is_no_credential(hers, scheme):
    response = hers.get("/v1/me", Authorization=f"{scheme} {hers.plaintext}")

    problem(response, 401, "no-token")
    assert "error" not in challenge(response)


@pytest.mark.standard("H-02")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer", "BEARER   ", ""])
@pytest.mark.parametrize("path", ["/v1/me", "/v1/tokens"])
def test_a_scheme_without_a_token_is_no_credential(nobody, path, header):
    response = nobody.get(path, Authorization=header)

    problem(response, 401, "no-token")
    assert "error" not in challenge(response)


def test_a_digest_header_with_commas_is_no_second_credential(nobody):
    problem(nobody.get("/v1/me", Authorization='Digest username="a b", realm="c d"'), 401, "no-token")


@pytest.mark.standard("H-01")
@pytest.mark.parametrize("more", ["Bearer x", "Basic YWJj", "x"])
def test_two_credentials_are_refused(hers, more):
    response = hers.get("/v1/me", Authorization=f"Bearer {hers.plaintext}, {more}")

    problem(response, 400, "two-tokens")
    assert challenge(response)["error"] == "invalid_request"


@pytest.mark.standard("H-01")
def test_a_token_in_query_or_body_is_not_looked_at(nobody, hers):
    problem(nobody.get(f"/v1/me?access_token={hers.plaintext}"), 401, "no-token")
    problem(nobody.patch("/v1/me", {"name": "Eve", "access_token": hers.plaintext}), 401, "no-token")


@pytest.mark.standard("H-08")
def test_a_browser_session_opens_nothing(signed_in):
    assert signed_in.get("/tokens").status_code == 200

    problem(signed_in.get("/v1/me"), 401, "no-token")


@pytest.mark.standard("H-03")
def test_what_is_wrong_with_a_token_is_told_apart(app, nobody, alice, clock):
    expired = factories.make_token(alice, lifetime=timedelta(days=1), description="a").plaintext
    revoked = factories.make_token(alice, lifetime=None, description="b")
    tokens.revoke(revoked.token)
    db.commit()
    clock.move(days=2)
    cases = {
        expired: ("expired-token", "expired"),
        revoked.plaintext: ("revoked-token", "revoked"),
        UNKNOWN + "000000": ("unknown-token", "unknown"),
    }

    for plaintext, (kind, word) in cases.items():
        response = nobody.get("/v1/me", Authorization=f"Bearer {plaintext}")

        said = problem(response, 401, kind)
        assert word in said["detail"]
        assert "http://localhost/tokens/new" in said["detail"]
        assert challenge(response)["error"] == "invalid_token"
        assert word in challenge(response)["error_description"]


@pytest.mark.standard("H-03", "I-02")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "text", ["hello", "lk_dev_", "lk_dev_é", "lk_ort_" + "0" * 36, "x" * 5_000, "eyJhbGciOiJub25lIn0.e30."]
)
def test_what_is_no_token_looks_like_one_that_nobody_knows(nobody, text):
    unknown = nobody.get("/v1/me", Authorization=f"Bearer {UNKNOWN}000000")

    response = nobody.get("/v1/me", Authorization=f"Bearer {text}".encode().decode("latin-1"))

    assert response.headers["WWW-Authenticate"] == unknown.headers["WWW-Authenticate"]
    told = [problem(each, 401, "unknown-token") | {"request_id": ""} for each in (response, unknown)]
    assert told[0] == told[1]


@pytest.mark.standard("I-02")
def test_a_wrong_checksum_looks_like_an_unknown_token_and_asks_no_database(hers, nobody, monkeypatch):
    text = hers.plaintext
    flipped = text[:-1] + ("a" if text[-1] != "a" else "b")
    asked = counted(monkeypatch)

    response = nobody.get("/v1/me", Authorization=f"Bearer {flipped}")

    problem(response, 401, "unknown-token")
    assert asked == []


def test_a_client_secret_and_a_refresh_token_open_nothing(nobody, example_client):
    problem(nobody.get("/v1/me", Authorization=f"Bearer {example_client.secret}"), 401, "unknown-token")


def test_an_access_token_is_told_to_be_refreshed(app, nobody, alice, example_client, clock):
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    assert program.get("/v1/me").status_code == 200
    clock.move(hours=2)

    said = problem(program.get("/v1/me"), 401, "expired-token")
    assert "http://localhost/oauth/token" in said["detail"]


@pytest.mark.standard("H-04")
def test_a_missing_scope_is_named_with_a_way_to_mend_it(app, alice):
    program = caller(app.test_client(), alice, "account:read")

    response = program.patch("/v1/me", {"name": "Eve"})

    said = problem(response, 403, "insufficient-scope")
    assert said["scope"] == "account:write"
    assert said["held"] == "account:read"
    assert "Change your name" in said["detail"]
    assert "See your name and e-mail address" in said["detail"]
    told = challenge(response)
    assert (told["error"], told["scope"]) == ("insufficient_scope", "account:write")
    url = urlsplit(said["fix_url"])
    assert (url.scheme, url.netloc, url.path) == ("http", "localhost", "/tokens/new")
    assert parse_qs(url.query) == {"scopes": ["account:write"], "token": [program.token_id]}


@pytest.mark.standard("H-04")
def test_an_app_is_told_to_ask_its_user_again(app, alice, example_client):
    program = app_caller(app.test_client(), example_client, alice, "account:read")

    said = problem(program.get("/v1/tokens"), 403, "insufficient-scope")

    assert said["scope"] == "tokens:read"
    assert said["fix_url"] == "http://localhost/docs/oauth"
    assert "ask the user again" in said["detail"]
    assert "another token" not in said["detail"]
    assert app.test_client().get("/docs/oauth").status_code == 200


def test_the_scope_is_checked_before_the_id(app, alice, his):
    program = caller(app.test_client(), alice, "account:read")

    problem(program.get(f"/v1/tokens/{his.token_id}"), 403)
    problem(program.get("/v1/tokens/tok_nonsense"), 403)


@pytest.mark.standard("H-05")
def test_several_scopes_mean_all_of_them(app, alice):
    both = ApiBlueprint("both", __name__)

    @both.get("/v1/both")
    @auth.require_scope("account:read", "apps:read")
    def show_both(caller) -> Response:
        return Response("in")

    app.register_blueprint(both)
    one = caller(app.test_client(), alice, "apps:read", description="one")
    all_of_them = caller(app.test_client(), alice, "apps:read", "account:read", description="both")

    response = one.get("/v1/both")
    said = problem(response, 403, "insufficient-scope")
    assert said["scope"] == "account:read"
    assert challenge(response)["scope"] == "account:read apps:read"
    assert all_of_them.get("/v1/both").status_code == 200


@pytest.mark.standard("H-05")
def test_a_view_that_declares_nothing_is_closed_to_every_token(app, hers, nobody):
    bare = ApiBlueprint("bare", __name__)

    @bare.get("/v1/bare/<int:number>")
    def show_bare(number) -> Response:
        return Response("in")

    app.register_blueprint(bare)

    problem(hers.get("/v1/bare/1"), 403, "closed")
    problem(nobody.get("/v1/bare/1"), 401, "no-token")


@pytest.mark.standard("D-13")
def test_an_app_that_acts_as_itself_reaches_no_user(app, example_client):
    names = ("account:read", "account:write", "activity:read")
    program = app_caller(app.test_client(), example_client, None, *names)

    shown = program.get("/v1/token").get_json()
    assert (shown["user_id"], shown["app"]["name"]) == (None, "Example")
    for response in (program.get("/v1/me"), program.patch("/v1/me", {"name": "x"}), program.get("/v1/activity")):
        problem(response, 403, "no-user")
        assert challenge(response)["error"] == "insufficient_scope"


def withdraw(user, client):
    grants.withdraw(grants.find_authorization(user, client))


@pytest.mark.standard("H-07", "I-05")
@pytest.mark.parametrize(
    "end",
    [
        withdraw,
        lambda user, client: clients.suspend(client),
        lambda user, client: users.disable(users.find(user.id)),
    ],
    ids=["withdrawn", "suspended", "disabled"],
)
def test_the_very_next_call_feels_what_was_taken_away(app, alice, example_client, end):
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    assert program.get("/v1/me").status_code == 200

    end(alice, example_client.client)
    db.commit()

    problem(program.get("/v1/me"), 401, "revoked-token")


def test_a_call_takes_at_most_two_statements(app, alice, hers, monkeypatch):
    made = hers.post("/v1/tokens", {"description": "child", "scopes": ["account:read"]}).get_json()
    child = Caller(app.test_client(), made["token"])
    hers.get("/v1/me"), child.get("/v1/me")
    asked = counted(monkeypatch)

    assert hers.get("/v1/me").status_code == 200
    assert len(asked) == 1
    assert child.get("/v1/me").status_code == 200
    assert len(asked) == 3


@pytest.mark.standard("H-09")
def test_answers_are_for_one_token_alone(hers):
    for response in (hers.get("/v1/me"), hers.get("/v1/tokens/x"), hers.patch("/v1/me", {"name": ""})):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Vary"] == "Authorization"
        assert "Set-Cookie" not in response.headers


def test_a_use_is_noted_at_most_once_a_minute(app, alice, hers, clock):
    usage.flush()

    assert hers.get("/v1/me").status_code == 200
    assert usage.flush() == 1
    assert hers.get("/v1/me").status_code == 200
    assert usage.flush() == 0
    clock.move(minutes=2)
    assert hers.get("/v1/me").status_code == 200
    assert usage.flush() == 1
    assert hers.get(f"/v1/tokens/{hers.token_id}").get_json()["last_used_at"]


@pytest.mark.standard("I-05")
def test_a_scope_that_left_the_catalogue_permits_nothing(app, alice, hers):
    db.execute(update(Token).where(Token.id == hers.token_id).values(scope="account:read long:gone"))
    db.commit()

    assert hers.get("/v1/token").get_json()["scopes"] == ["account:read"]
    problem(hers.get("/v1/tokens"), 403)

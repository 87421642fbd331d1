"""Developer tokens over the API: made by tokens, never wider, never longer, dead with their maker."""

import json
from datetime import timedelta

import pytest

from latchkey import tokens
from latchkey.journal import activity
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import factories
from tests.api.calls import Caller, app_caller, caller, problem
from tests.oauth import signing
from tests.oauth.signing import Pair

NEW = {"description": "Child", "scopes": ["account:read"]}


def make(parent: Caller, **wanted: object) -> Caller:
    made = parent.post("/v1/tokens", {**NEW, **wanted})
    assert made.status_code == 201, made.get_data(as_text=True)
    return Caller(parent.client, made.get_json()["token"], made.get_json()["id"])


def test_a_new_token_works_is_shown_once_and_announced_by_mail(hers, alice, mailbox):
    response = hers.post("/v1/tokens", NEW)

    assert response.status_code == 201
    made = response.get_json()
    assert response.headers["Location"] == f"/v1/tokens/{made['id']}"
    assert made["parent_id"] == hers.token_id
    child = Caller(hers.client, made["token"])
    assert child.get("/v1/me").status_code == 200
    assert child.get("/v1/token").get_json()["parent_id"] == hers.token_id
    again = hers.get(f"/v1/tokens/{made['id']}")
    assert again.get_json() | {"last_used_at": None} == {k: v for k, v in made.items() if k != "token"} | {
        "last_used_at": None
    }
    for shown in (again, hers.get("/v1/tokens"), hers.get("/v1/activity")):
        assert made["token"] not in shown.get_data(as_text=True)
    assert [event.kind for event in activity.list_for(alice)] == ["token.created"]
    (letter,) = mailbox.letters("alice@example.com")
    assert "account:read" in letter.text
    assert made["token"] not in letter.text


@pytest.mark.standard("I-06")
def test_no_token_gives_what_it_does_not_have(app, alice):
    narrow = caller(app.test_client(), alice, "tokens:write", "account:read")

    said = problem(narrow.post("/v1/tokens", NEW | {"scopes": ["account:read", "apps:read"]}), 403, "scope-too-wide")

    assert said["scope"] == "apps:read"
    assert "/tokens/new?scopes=apps:read" in said["fix_url"]
    assert len(tokens.page(alice, status="all").tokens) == 1


def test_a_grandchild_is_held_by_everybody_above_it(app, alice, hers):
    child = make(hers, scopes=["tokens:write", "account:read", "apps:read"])
    grandchild = make(child, scopes=["account:read", "apps:read"])
    assert grandchild.get("/v1/apps").status_code == 200

    assert hers.patch(f"/v1/tokens/{child.token_id}", {"scopes": ["account:read"]}).status_code == 200

    problem(grandchild.get("/v1/apps"), 403, "insufficient-scope")
    assert grandchild.get("/v1/token").get_json()["scopes"] == ["account:read"]


@pytest.mark.standard("I-06")
@pytest.mark.parametrize("days", [31, 90, None])
def test_no_token_outlives_the_one_that_made_it(app, alice, days):
    short = caller(app.test_client(), alice, "tokens:write", lifetime=timedelta(days=30))

    wanted = {"description": "x", "scopes": ["tokens:write"], "expires_in_days": days}
    said = problem(short.post("/v1/tokens", wanted), 422, "wrong-fields")

    assert "expires_in_days" in said["errors"]


def test_without_a_wish_a_token_lives_90_days_or_as_long_as_its_maker(app, alice, clock):
    long = caller(app.test_client(), alice, "tokens:write", lifetime=None, description="long")
    short = caller(app.test_client(), alice, "tokens:write", lifetime=timedelta(days=9), description="short")
    wanted = {"description": "x", "scopes": ["tokens:write"]}

    by_long = db.get_one(Token, long.post("/v1/tokens", wanted).get_json()["id"])
    by_short = db.get_one(Token, short.post("/v1/tokens", wanted).get_json()["id"])

    assert by_long.expires_at == clock.now() + timedelta(days=90)
    assert timedelta(0) < db.get_one(Token, short.token_id).expires_at - by_short.expires_at <= timedelta(seconds=30)


def test_a_token_without_end_may_make_one_without_end(app, alice):
    endless = caller(app.test_client(), alice, "tokens:write", lifetime=None)
    wanted = {"description": "x", "scopes": ["tokens:write"], "expires_in_days": None}

    assert endless.post("/v1/tokens", wanted).get_json()["expires_at"] is None


@pytest.mark.settings(token_max_days="30")
def test_this_installation_s_longest_life_holds_here_too(app, alice):
    maker = caller(app.test_client(), alice, "tokens:write", lifetime=timedelta(days=30))

    for days in (None, 31):
        wanted = {"description": "x", "scopes": ["tokens:write"], "expires_in_days": days}
        assert "expires_in_days" in problem(maker.post("/v1/tokens", wanted), 422)["errors"]


@pytest.mark.standard("I-06")
def test_a_family_ends_with_its_eldest(hers, alice):
    child = make(hers, scopes=["tokens:write", "account:read"])
    grandchild = make(child)
    assert hers.delete(f"/v1/tokens/{hers.token_id}").status_code == 204

    for each in (hers, child, grandchild):
        problem(each.get("/v1/me"), 401, "revoked-token")


@pytest.mark.standard("I-06")
def test_what_an_app_made_ends_when_it_is_withdrawn(app, alice, bob):
    trusted = factories.make_client(bob, scopes=["account:read", "tokens:write"], trusted=True)
    program = app_caller(app.test_client(), trusted, alice, "account:read", "tokens:write")
    child = make(program)
    assert child.get("/v1/me").status_code == 200
    hers = caller(app.test_client(), alice)

    (one,) = hers.get("/v1/authorizations").get_json()["data"]
    assert hers.delete(f"/v1/authorizations/{one['id']}").status_code == 204

    problem(child.get("/v1/me"), 401, "revoked-token")


def test_what_an_app_made_ends_with_its_access_token(app, alice, bob, clock):
    trusted = factories.make_client(bob, scopes=["account:read", "tokens:write"], trusted=True)
    child = make(app_caller(app.test_client(), trusted, alice, "account:read", "tokens:write"))

    clock.move(minutes=61)

    problem(child.get("/v1/me"), 401, "expired-token")


def test_an_unverified_user_makes_no_credential(app):
    eve = factories.make_user("eve@example.com")
    program = caller(app.test_client(), eve)
    eve = db.merge(eve)
    eve.email_verified_at = None
    db.commit()
    app_body = {"name": "Notes", "redirect_uris": ["https://notes.example/cb"], "scopes": ["account:read"]}

    theirs, keys = factories.make_client(eve).client.id, {"jwks": json.loads(signing.key_set(Pair()))}
    for response in (
        program.post("/v1/tokens", NEW),
        program.post("/v1/apps", app_body),
        program.post(f"/v1/apps/{theirs}/secret"),
        program.patch(f"/v1/apps/{theirs}", keys),
    ):
        said = problem(response, 403, "email-unverified")
        assert said["fix_url"] == "http://localhost/verify-email"
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert len(program.get("/v1/tokens?status=all").get_json()["data"]) == 1


@pytest.mark.standard("I-06")
def test_changes_narrow_and_describe_and_nothing_else(hers, alice):
    child = make(hers, scopes=["account:read", "apps:read"])
    path = f"/v1/tokens/{child.token_id}"

    assert hers.patch(path, {"scopes": ["apps:read"]}).get_json()["scopes"] == ["apps:read"]
    assert hers.patch(path, {"description": "Renamed"}).get_json()["scopes"] == ["apps:read"]
    said = problem(hers.patch(path, {"description": "Again", "scopes": ["apps:read", "account:read"]}), 422)
    assert set(said["errors"]) == {"scopes"}
    for field in ("expires_at", "expires_in_days", "token", "user_id", "status", "parent_id"):
        assert set(problem(hers.patch(path, {field: None}), 422)["errors"]) == {field}

    now = hers.get(path).get_json()
    assert (now["description"], now["scopes"]) == ("Renamed", ["apps:read"])
    assert [event.kind for event in activity.list_for(alice)] == ["token.changed", "token.changed", "token.created"]


def test_a_token_that_has_ended_is_found_but_not_changed(hers):
    child = make(hers)
    path = f"/v1/tokens/{child.token_id}"
    assert hers.delete(path).status_code == 204
    assert hers.delete(path).status_code == 204

    assert hers.get(path).get_json()["status"] == "revoked"
    problem(hers.patch(path, {"description": "Back"}), 409, "token-ended")
    lists = {
        status: hers.get(f"/v1/tokens?status={status}").get_json()["data"] for status in ("active", "ended", "all")
    }
    assert {status: len(rows) for status, rows in lists.items()} == {"active": 1, "ended": 1, "all": 2}


@pytest.mark.standard("O-05")
def test_pages_stay_in_step_while_tokens_come_and_go(hers, alice):
    made = [factories.make_token(alice, description=f"t{number}").token for number in range(6)]
    ids = [token.id for token in reversed(made)]

    first = hers.get("/v1/tokens?limit=3").get_json()
    factories.make_token(alice, description="new")
    tokens.revoke(made[2])
    db.commit()
    second = hers.get(f"/v1/tokens?limit=3&cursor={first['next_cursor']}").get_json()

    assert [row["id"] for row in first["data"]] == ids[:3]
    assert [row["id"] for row in second["data"]] == [ids[4], ids[5], hers.token_id]
    assert second["next_cursor"] is None


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("O-05")
@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize("noun", ["tokens", "apps", "authorizations", "activity"])
@pytest.mark.parametrize(
    "query, field",
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e3", "limit"),
        ("limit=", "limit"),
        ("limit=9999999999999999999999", "limit"),
        ("limit=101", "limit"),
        ("limit=0101", "limit"),
        ("limit=%D9%A1", "limit"),
        ("cursor=", "cursor"),
        ("cursor=hello", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=dG9rXzE", "cursor"),
        ("cursor=%FF%FE", "cursor"),
    ],
)
def test_a_bad_page_is_refused_by_its_parameter(hers, noun, query, field):
    assert set(problem(hers.get(f"/v1/{noun}?{query}"), 422, "wrong-fields")["errors"]) == {field}


def test_a_page_holds_a_hundred_at_most(hers, alice):
    for number in range(101):
        tokens.mint(alice, description=f"t{number}", scopes=["account:read"], lifetime=None)
    db.commit()

    page = hers.get("/v1/tokens?limit=100").get_json()

    assert len(page["data"]) == 100
    assert len(hers.get(f"/v1/tokens?cursor={page['next_cursor']}").get_json()["data"]) == 2


@pytest.mark.parametrize("query", ["status=revoked", "status=", "status=%00"])
def test_an_unknown_status_is_refused(hers, query):
    assert set(problem(hers.get(f"/v1/tokens?{query}"), 422)["errors"]) == {"status"}

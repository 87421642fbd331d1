"""Every call, by every scope, by its owner and by a stranger."""

from typing import NamedTuple

import pytest

from api.kit import auth, openapi
from latchkey import grants, scopes, tokens
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.safety import agents, lockdown, shutdown
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import factories
from tests.api.calls import app_caller, caller, problem

NEW_TOKEN = {"description": "Made by a program", "scopes": ["account:read"]}
NEW_APP = {"name": "Notes", "redirect_uris": ["https://notes.example/cb"], "scopes": ["account:read"]}


class Case(NamedTuple):
    method: str
    path: str
    scope: str | None
    status: int
    body: object = None
    own: str = ""  # which of Alice's things the path names


CASES = [
    Case("get", "/v1/me", "account:read", 200),
    Case("patch", "/v1/me", "account:write", 200, {"name": "Alicia"}),
    Case("get", "/v1/token", "", 200),
    Case("get", "/v1/tokens", "tokens:read", 200),
    Case("post", "/v1/tokens", "tokens:write", 201, NEW_TOKEN | {"scopes": ["tokens:write"]}),
    Case("get", "/v1/tokens/{token_id}", "tokens:read", 200, own="token"),
    Case("patch", "/v1/tokens/{token_id}", "tokens:write", 200, {"description": "Renamed"}, own="token"),
    Case("delete", "/v1/tokens/{token_id}", "tokens:write", 204, own="token"),
    Case("get", "/v1/tokens/{token_id}/usage", "tokens:read", 200, own="token"),
    # It renews itself and what it made; what it does is in test_token_renewal.py.
    Case("post", "/v1/tokens/{token_id}/regenerate", "tokens:write", 403, own="token"),
    Case("get", "/v1/apps", "apps:read", 200),
    Case("post", "/v1/apps", "apps:write", 201, NEW_APP),
    Case("get", "/v1/apps/{app_id}", "apps:read", 200, own="app"),
    Case("patch", "/v1/apps/{app_id}", "apps:write", 200, {"name": "Renamed"}, own="app"),
    Case("post", "/v1/apps/{app_id}/secret", "apps:write", 201, own="app"),
    Case("delete", "/v1/apps/{app_id}", "apps:write", 204, own="app"),
    Case("get", "/v1/authorizations", "authorizations:read", 200),
    Case("delete", "/v1/authorizations/{authorization_id}", "authorizations:write", 204, own="authorization"),
    Case("get", "/v1/activity", "activity:read", 200),
    Case("get", "/v1/scopes", None, 200),
    Case("get", "/v1/openapi.json", None, 200),
    # Nothing but a signature lets it in; without keys of a scanner it is not there.
    Case("post", "/v1/credentials/alerts", None, 404, [{"token": "hello", "type": "x"}]),
    Case("post", "/v1/credentials/revoke", None, 202, {"credentials": ["hello"]}),
]


def called(case: Case) -> str:
    return f"{case.method} {case.path}"


GUARDED = [case for case in CASES if case.scope is not None]
CHANGING = [case for case in GUARDED if case.method != "get"]
BY_ID = [case for case in CASES if case.own]


@pytest.fixture
def things(app, alice, bob, example_client) -> dict[str, str]:
    """The ids of what Alice owns."""
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    return {
        "token": factories.make_token(alice, description="Hers").token.id,
        "app": factories.make_client(alice, name="Hers").client.id,
        "authorization": grant.authorization_id,
    }


def at(case: Case, things: dict[str, str]) -> str:
    return case.path.partition("{")[0] + things[case.own] + case.path.partition("}")[2] if case.own else case.path


def test_the_table_has_every_call(app):
    with app.test_request_context():
        found = {f"{call.method} {call.path}": call for call in openapi.calls()}

    assert found.keys() == {called(case) for case in CASES}
    for case in CASES:
        call = found[called(case)]
        assert call.public == (case.scope is None)
        assert call.scopes == (case.scope or "").split()


def test_every_shipped_scope_is_used():
    assert {case.scope for case in CASES} - {None, ""} == {scope.name for scope in scopes.SHIPPED}


@pytest.mark.standard("H-05")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("case", GUARDED, ids=called)
def test_exactly_the_declared_scope_lets_the_owner_in(app, alice, things, case):
    path = at(case, things)
    others = [name for name in scopes.catalogue() if name != case.scope]
    for name in others if case.scope else []:
        without = caller(app.test_client(), alice, name, description=name)
        said = problem(without.call(case.method, path, case.body), 403, "insufficient-scope")
        assert said["scope"] == case.scope

    right = caller(app.test_client(), alice, case.scope or "account:read", description="right")
    response = right.call(case.method, path, case.body)

    assert response.status_code == case.status, response.get_data(as_text=True)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("case", GUARDED, ids=called)
def test_nobody_gets_in_without_a_token(nobody, things, case):
    problem(nobody.call(case.method, at(case, things), case.body), 401, "no-token")


@pytest.mark.standard("H-06")
@pytest.mark.parametrize("case", BY_ID, ids=called)
def test_a_stranger_finds_nothing_and_changes_nothing(hers, his, things, case):
    path = at(case, things)
    nonsense = case.path.partition("{")[0] + "tok_%00%FF" + case.path.partition("}")[2]

    seen = problem(his.call(case.method, path, case.body), 404, "not-found")
    unseen = problem(his.call(case.method, nonsense, case.body), 404, "not-found")

    assert seen | {"request_id": ""} == unseen | {"request_id": ""}
    assert hers.get("/v1/authorizations").get_json()["data"]
    assert hers.get(f"/v1/apps/{things['app']}").get_json()["name"] == "Hers"
    assert hers.get(f"/v1/tokens/{things['token']}").get_json()["description"] == "Hers"


@pytest.mark.parametrize("case", [case for case in GUARDED if case.path != "/v1/token"], ids=called)
def test_an_app_acting_as_itself_is_told_that_it_has_no_user(app, example_client, things, case):
    program = app_caller(app.test_client(), example_client, None, *scopes.catalogue())

    problem(program.call(case.method, at(case, things), case.body), 403, "no-user")


@pytest.mark.standard("H-03", "I-08")
@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize(
    "case", [case for case in GUARDED if case.path != "/v1/token" and case != CASES[0]], ids=called
)
def test_a_call_of_an_account_that_is_deleted_behind_the_guard_is_refused_as_if_it_came_later(
    things, monkeypatch, alice, hers, case
):
    guarded, deleted = auth.let_pass, []

    def let_pass(call, asked):
        caller = guarded(call, asked)
        for _part in () if deleted else lockdown.delete(users.find(alice.id)):
            db.commit()
        db.commit()
        db.remove()
        deleted.append(True)
        return caller

    monkeypatch.setattr(auth, "let_pass", let_pass)

    problem(hers.call(case.method, at(case, things), case.body), 401)
    assert len(deleted) == 1


def end_account(_program):
    lockdown.suspend(users.find_by_email("alice@example.com"))


def end_token(program):
    tokens.revoke(db.get_one(Token, program.token_id))


def pause(_program):
    agents.pause(users.find_by_email("alice@example.com"))


def end_app(program):
    shutdown.suspend(db.get_one(Token, program.token_id).grant.client, Cause.ADMINISTRATOR)


def end_access(_program):
    for authorization in grants.list_for(users.find_by_email("alice@example.com")):
        grants.withdraw(authorization)


def narrow(program):
    tokens.narrow(db.get_one(Token, program.token_id), {"account:read"})


def bind(program):
    tokens.bind(db.get_one(Token, program.token_id), "192.0.2.0/24")


@pytest.mark.standard("H-03", "I-08")
@pytest.mark.parametrize("end", [narrow, bind, pause, end_account, end_token, end_app, end_access])
@pytest.mark.parametrize("case", CHANGING, ids=called)
def test_a_call_whose_right_ends_behind_the_guard_changes_nothing(
    app, things, monkeypatch, *, alice, hers, example_client, case, end
):
    of_app = end in (end_app, end_access)
    program = app_caller(app.test_client(), example_client, alice, *scopes.catalogue()) if of_app else hers
    guarded, ended = auth.let_pass, []

    def let_pass(call, asked):
        caller = guarded(call, asked)
        if not ended:
            ended.append(end(program))
            db.commit()
            db.remove()
        return caller

    monkeypatch.setattr(auth, "let_pass", let_pass)

    problem(program.call(case.method, at(case, things), case.body), 403 if end is narrow else 401)
    assert len(ended) == 1


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("A-08")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("case", CASES, ids=called)
def test_other_methods_are_refused_as_problems(hers, things, case):
    path = at(case, things)
    allowed = {other.method.upper() for other in CASES if other.path == case.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        response = hers.call(method, path, {})

        problem(response, 405, "wrong-method")
        assert allowed <= set(response.headers["Allow"].split(", "))


@pytest.mark.standard("O-01")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/me/", "/v1//me", "/v1/", "/v1", "/v1/tokens/a/b"])
def test_what_is_not_there_is_a_problem_and_no_redirect(hers, path):
    problem(hers.get(path), 404, "not-found")


@pytest.mark.standard("H-06", "O-05")
def test_the_owner_reads_lists_of_her_own_things_alone(hers, his, things):
    hers.patch("/v1/me", {"name": "Alicia"})

    for noun in ("tokens", "apps", "authorizations", "activity"):
        mine, other = (each.get(f"/v1/{noun}").get_json()["data"] for each in (hers, his))

        assert mine
        assert not {row["id"] for row in mine} & {row["id"] for row in other}


def test_answers_carry_the_promised_shape(hers, nobody, things):
    me = hers.get("/v1/me").get_json()

    assert list(me) == ["id", "email", "email_verified", "name", "created_at", "updated_at"]
    assert me["created_at"].endswith("Z")
    assert set(nobody.get("/v1/scopes").get_json()) == {"data", "next_cursor"}


def test_a_refusal_is_read_in_a_terminal_as_it_is_written(client):
    assert "Send a token as “Authorization: Bearer …”." in client.get("/v1/me").get_data(as_text=True)

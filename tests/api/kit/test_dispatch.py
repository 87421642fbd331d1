"""Calls are answered without Flask, stand in its map all the same, and leave to it what is its own."""

import json

import pytest
from flask import request
from werkzeug.test import create_environ

from api.kit import answers, auth
from api.kit.blueprint import ApiBlueprint
from api.kit.bodies import Body
from api.kit.fields import line
from latchkey.store.session import db
from tests.api.calls import Caller, problem
from tests.statements import counted
from web.calls import Call
from web.layer.dispatch import Dispatcher

NOTE = Body("Note", note=line("What is noted.", longest=80, example="one", required=True))


def taken(app, method, path):
    return Dispatcher(app).find(create_environ(path, method=method)) is not None


@pytest.fixture
def without_flask(app, monkeypatch):
    def refuse(_environ):
        raise AssertionError("Flask was woken")

    monkeypatch.setattr(app, "request_context", refuse)


def test_every_call_is_in_the_map_and_answered_without_flask(app):
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/v1/")]
    ours = [(rule, method) for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}]

    assert {rule.rule for rule, _ in ours} >= {"/v1/me", "/v1/tokens/<token_id>"}
    for rule, method in ours:
        path = rule.rule.replace("<", "").replace(">", "")
        assert taken(app, method, path) is (rule.rule != "/v1/openapi.json")


@pytest.mark.parametrize("path", ["/v1/me", "/v1/token", "/v1/tokens", "/v1/activity", "/v1/apps", "/v1/scopes"])
def test_a_call_that_is_asked_again_is_told_that_nothing_changed(hers, without_flask, path):
    shown = hers.get(path)

    again = hers.get(path, If_None_Match=shown.headers["ETag"])

    assert (shown.status_code, again.status_code, again.data) == (200, 304, b"")
    assert again.headers["ETag"] == shown.headers["ETag"]
    assert again.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Type" not in again.headers


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "method, path", [("HEAD", "/v1/me"), ("OPTIONS", "/v1/me"), ("PUT", "/v1/me"), ("GET", "/v1/none")]
)
def test_what_is_no_call_is_left_to_flask(app, method, path):
    assert not taken(app, method, path)


def test_a_head_is_answered_too(hers):
    shown, head = hers.get("/v1/me"), hers.call("HEAD", "/v1/me")

    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", shown.headers["ETag"])
    assert head.headers["Content-Length"] == shown.headers["Content-Length"]


def test_a_wrong_method_names_the_right_ones(hers):
    refused = hers.call("PUT", "/v1/me")

    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PATCH"}


def test_a_refusal_is_decided_once(app, hers, monkeypatch):
    made = hers.post("/v1/tokens", {"description": "child", "scopes": ["apps:read"]}).get_json()
    child = Caller(app.test_client(), made["token"])
    problem(child.get("/v1/me"), 403)
    asked = counted(monkeypatch)

    problem(child.get("/v1/me"), 403)

    assert len(asked) == 2


@pytest.mark.parametrize("path", ["/v1/me", "/v1/tokens"])
def test_a_fault_of_ours_is_a_problem(hers, monkeypatch, path):
    def broken(*_args, **_named):
        raise RuntimeError("broken")

    monkeypatch.setattr("latchkey.tokens.access.admit", broken)

    response = hers.get(path)

    assert response.status_code == 500
    assert response.content_type == "application/problem+json"


def test_a_call_leaves_no_session_behind(hers):
    db.remove()
    hers.get("/v1/tokens")
    hers.post("/v1/tokens", {"description": "one", "scopes": ["apps:read"]})

    assert not db.registry.has()


@pytest.fixture
def more(app):
    """An operator's own blueprint, with a view of either kind."""
    more = ApiBlueprint("more", __name__)

    @more.post("/v1/mine")
    @auth.require_scope("account:read")
    def show_mine(caller):
        told = NOTE.read()["note"], request.get_json()["note"], request.args["asked"]
        return {"told": told, "user": caller.user_id}

    @more.post("/v1/call")
    @auth.require_scope("account:read")
    def show_call(call: Call):
        note = NOTE.read()["note"]
        return answers.shown({"told": [note, note, call.query["asked"]], "user": call.bearer.user_id})

    app.register_blueprint(more)


def test_a_view_that_wants_flask_gets_it(app, hers, more):
    asked = {"note": "one"}

    told = [hers.post(path, asked).get_json() for path in ("/v1/mine?asked=%C3%A9&asked=2", "/v1/call?asked=%C3%A9")]

    assert told[0] == told[1] == {"told": ["one", "one", "é"], "user": told[0]["user"]}
    assert (taken(app, "POST", "/v1/mine"), taken(app, "POST", "/v1/call")) == (False, True)


@pytest.mark.parametrize("path", ["/v1/mine?asked=1", "/v1/call?asked=1"])
def test_a_view_of_either_kind_is_refused_alike(app, hers, nobody, more, path):
    problem(nobody.post(path, {"note": "one"}), 401)
    problem(hers.post(path, {"note": 1}), 422)
    problem(hers.post(path, {"note": "x" * 300_000}), 413)
    problem(hers.get(path), 405)


def test_a_call_leaves_one_line_in_the_log(app, hers, monkeypatch):
    lines: list[bytes] = []
    monkeypatch.setattr(app.wsgi_app, "write", lines.append)

    hers.get(f"/v1/tokens/{hers.token_id}")
    hers.get("/v1/me")
    hers.call("PUT", "/v1/me").close()

    told = [json.loads(line) for line in lines]
    assert [(line["route"], line["status"]) for line in told] == [
        ("/v1/tokens/<token_id>", 200), ("/v1/me", 200), ("", 405),
    ]  # fmt: skip
    assert [line["token"] for line in told] == [hers.token_id, hers.token_id, ""]


@pytest.mark.parametrize("path", ["/v1/me", "/v1/activity", "/v1/none"])
def test_any_other_path_than_ours_in_latin_letters_is_told_so(hers, path):
    problem(hers.get(f"{path}/%C3%A9"), 404)

"""Each machine endpoint is asked one way, decides once, and stands in the map of the application."""

from io import BytesIO

import pytest
from werkzeug.test import create_environ

from latchkey.journal.refusals import ALIKE_A_MINUTE, Refusal
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance
from web.layer.dispatch import Dispatcher

FORM = "application/x-www-form-urlencoded"


CHECK = "/oauth/check"


@pytest.fixture
def without_flask(app, monkeypatch):
    def refuse(_environ):
        raise AssertionError("Flask was woken")

    monkeypatch.setattr(app, "request_context", refuse)


def test_what_programs_ask_and_what_they_are_refused_needs_no_flask(signed_in, caller, example_client, monkeypatch):
    code = dance.code(signed_in, example_client)

    def refuse(_environ):
        raise AssertionError("Flask was woken")

    monkeypatch.setattr(caller.application, "request_context", refuse)
    issued = dance.redeem(caller, example_client, code)
    refreshed = dance.refresh(caller, example_client, issued.json["refresh_token"])
    token = refreshed.json["access_token"]
    told = dance.post(caller, "/oauth/introspect", example_client, token=token)
    spoiled = dance.redeem(caller, example_client, code)
    wrong = dance.post(
        caller, "/oauth/token", example_client, headers=dance.basic("x", "y"), grant_type="refresh_token"
    )
    revoked = dance.post(caller, "/oauth/revoke", example_client, token=token)

    statuses = [answer.status_code for answer in (issued, refreshed, told, spoiled, wrong, revoked)]
    assert statuses == [200, 200, 200, 400, 401, 200]


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke", CHECK])
def test_every_machine_endpoint_stands_in_the_map(app, path):
    assert path in {rule.rule for rule in app.url_map.iter_rules()}
    assert Dispatcher(app).find(create_environ(path, method="POST"))


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "made-up"])
def test_gateways_ask_by_any_method(caller, without_flask, method):
    answer = caller.open(CHECK, method=method)

    assert (answer.status_code, answer.data) == (401, b"")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize(
    "path, method, status, allow",
    [
        ("/oauth/token", "GET", 405, {"POST", "OPTIONS"}),
        ("/oauth/token", "OPTIONS", 204, None),
        ("/oauth/introspect", "PUT", 405, {"POST", "OPTIONS"}),
        ("/oauth/introspect", "OPTIONS", 200, {"POST", "OPTIONS"}),
        ("/oauth/revoke", "HEAD", 405, {"POST", "OPTIONS"}),
        ("/.well-known/oauth-authorization-server", "HEAD", 200, None),
        ("/.well-known/oauth-authorization-server", "POST", 405, {"GET", "HEAD", "OPTIONS"}),
        ("/.well-known/oauth-authorization-server", "OPTIONS", 204, None),
    ],
)
def test_other_methods_are_answered_as_before(caller, path, method, status, allow):
    answer = caller.open(path, method=method)

    assert answer.status_code == status
    named = answer.headers.get("Allow")
    assert (named and set(named.split(", "))) == allow
    assert answer.data == b"" or method not in ("HEAD", "OPTIONS")


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", f"{FORM.upper()}", f" {FORM} ; boundary=x"])
def test_a_form_is_read_however_its_type_is_spelled(caller, example_client, content_type):
    proof = dance.basic(example_client.client.id, example_client.secret)

    answer = caller.post("/oauth/introspect", data="token=x", content_type=content_type, headers=proof)

    assert (answer.status_code, answer.json) == (200, {"active": False})


@pytest.mark.usefixtures("clock")
def test_a_refusal_is_counted_and_kept_once(caller, example_client):
    wrong = dance.basic(example_client.client.id, "lk_sec_x")
    for number in range(21):
        answer = caller.post("/oauth/introspect", data={"token": "x"}, headers=wrong)
        # Of those that are alike so many are kept; the last one is told something else.
        assert db.query(Refusal).count() == min(number + 1, ALIKE_A_MINUTE) + (number == 20)

    assert answer.status_code == 429


@pytest.mark.parametrize(
    "path, broken",
    [("/oauth/token", "oauth.token.flows.write_lock"), ("/oauth/introspect", "latchkey.tokens.access.admit")],
)
def test_a_fault_of_ours_is_told_in_the_protocols_own_words(
    caller, example_client, monkeypatch, caplog, *, path, broken
):
    def breaks(*_args, **_named):
        raise RuntimeError("what somebody sent")

    monkeypatch.setattr(broken, breaks)

    answer = dance.post(caller, path, example_client, grant_type="refresh_token", refresh_token="x", token="x")

    assert (answer.status_code, answer.json["error"]) == (500, "server_error")
    assert answer.headers["X-Request-Id"] in caplog.text
    assert "somebody sent" not in answer.text


def test_a_replay_ends_the_grant_once_and_tells_the_user_once(signed_in, caller, example_client, mailbox):
    code = dance.code(signed_in, example_client)
    token = dance.redeem(caller, example_client, code).json["access_token"]

    answers = [dance.redeem(caller, example_client, code) for _ in range(3)]

    assert {answer.json["error"] for answer in answers} == {"invalid_grant"}
    assert not dance.works(caller, token)
    assert db.query(Refusal).count() == 3


def test_a_body_that_is_shorter_than_it_says_is_no_fault(app, example_client):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/oauth/token",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": "5000",
        "wsgi.input": BytesIO(b"grant_type=client_credentials"),
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
    }
    said = []
    answer = app.wsgi_app(environ, lambda status, headers, exc=None: said.append(status))
    b"".join(answer)

    assert said[0].startswith("4")


def test_a_public_app_passes_too(signed_in, caller, bob):
    public = factories.make_client(bob, confidential=False)

    assert dance.works(caller, dance.tokens(signed_in, public)["access_token"])

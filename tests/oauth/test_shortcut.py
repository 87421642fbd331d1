"""What is answered in front of Flask is answered alike behind it, and what cannot be granted goes behind it."""

from functools import partial
from io import BytesIO

import pytest

from latchkey.journal.refusals import Refusal
from latchkey.store.session import db
from oauth.endpoints import shortcut
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance

LONG_WAY = "application/x-www-form-urlencoded; charset=utf-8"


def send(caller, path, registered, content_type, **fields):
    return caller.post(
        path,
        data="&".join(f"{name}={value}" for name, value in fields.items()),
        content_type=content_type,
        headers=dance.basic(registered.client.id, registered.secret),
    )


def alike(answer):
    """What an answer is without what differs between any two of them."""
    headers = {name: value for name, value in answer.headers if name not in ("X-Request-Id", "Content-Length")}
    body = {
        name: value
        for name, value in answer.json.items()
        if name not in ("access_token", "refresh_token", "iat", "exp")
    }
    return answer.status_code, headers, set(answer.json), body


def test_codes_refresh_tokens_and_introspection(signed_in, caller, example_client, clock):
    answers = []
    for content_type in ("application/x-www-form-urlencoded", LONG_WAY):
        issued = send(
            caller,
            "/oauth/token",
            example_client,
            content_type,
            grant_type="authorization_code",
            code=dance.code(signed_in, example_client),
            redirect_uri=CALLBACK,
            code_verifier=dance.VERIFIER,
        )
        refreshed = send(
            caller,
            "/oauth/token",
            example_client,
            content_type,
            grant_type="refresh_token",
            refresh_token=issued.json["refresh_token"],
        )
        told = send(caller, "/oauth/introspect", example_client, content_type, token=refreshed.json["access_token"])
        nothing = send(caller, "/oauth/introspect", example_client, content_type, token="x")
        answers.append([alike(answer) for answer in (issued, refreshed, told, nothing)])

    assert answers[0] == answers[1]


def test_a_refusal_is_counted_and_kept_once(caller, example_client):
    wrong = dance.basic(example_client.client.id, "lk_sec_x")
    for _ in range(21):
        answer = caller.post("/oauth/introspect", data={"token": "x"}, headers=wrong)

    assert answer.status_code == 429
    assert db.query(Refusal).count() == 21


@pytest.mark.parametrize("path", sorted(shortcut.DECISIONS))
def test_a_fault_in_front_is_met_behind(signed_in, caller, example_client, monkeypatch, path):
    def broken(_form, _sent):
        raise RuntimeError

    monkeypatch.setattr(caller.application.wsgi_app.short_ways[path], "at_once", partial(shortcut.at_once, broken))

    assert dance.redeem(caller, example_client, dance.code(signed_in, example_client)).status_code == 200
    assert dance.post(caller, "/oauth/introspect", example_client, token="x").json == {"active": False}


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
    answer.close()

    assert said[0].startswith("4")


def test_a_public_app_passes_too(signed_in, caller, bob):
    public = factories.make_client(bob, confidential=False)

    assert dance.works(caller, dance.tokens(signed_in, public)["access_token"])

"""What a server answers where requests arrive waits for nobody: neither for the write lock nor for a body."""

from io import BytesIO

import pytest
from werkzeug.test import create_environ

from latchkey import clients, credentials
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.journal.refusals import Refusal
from latchkey.store.engines import Engines
from latchkey.store.session import db, engines
from oauth.protocol import parties
from tests import factories
from tests.oauth import dance
from web.layer import paths


@pytest.fixture
def caller(app):
    return app.test_client()


@pytest.fixture
def nobody_writes(monkeypatch):
    def refuse(*_given):
        raise AssertionError("it would have waited for its turn to write")

    def forbid():
        monkeypatch.setattr(engines().write, "connect", refuse)
        monkeypatch.setattr(engines().write, "raw_connection", refuse)
        monkeypatch.setattr(Engines, "write_lock", refuse)

    return forbid


def begin(app, path: str, **given):
    """The status of what is answered at once, else None; and what is left to do."""
    started = []
    environ = create_environ(path, **given)
    environ.setdefault("REMOTE_ADDR", "127.0.0.1")
    body = app.wsgi_app.begin(environ, lambda status, _headers, _error=None: started.append(status[:3]))
    return (started[0], None) if isinstance(body, list) else (None, lambda: (body.run(), started[0])[1])


@pytest.mark.parametrize("dead", ["live", "unknown", "nonsense", "revoked"])
def test_nothing_that_is_answered_at_once_writes(app, caller, nobody_writes, caplog, *, alice, example_client, dead):
    token = factories.make_token(alice).plaintext
    if dead == "revoked":
        users.disable(alice)
        db.commit()
    sent = {"unknown": credentials.generate(Kind.DEVELOPER), "nonsense": "nonsense"}.get(dead, token)
    basic = dance.basic(example_client.client.id, example_client.secret)["Authorization"]
    nobody_writes()

    for path in ("/v1/me", "/v1/token", "/oauth/check"):
        status, _ = begin(app, path, headers={"Authorization": f"Bearer {sent}"})
        assert status == ("200" if dead == "live" else "401")
    form = {"input_stream": BytesIO(f"token={sent}".encode()), "content_length": len(f"token={sent}")}
    told, _ = begin(
        app, "/oauth/introspect", method="POST", content_type="application/x-www-form-urlencoded",
        headers={"Authorization": basic}, **form,
    )  # fmt: skip
    # What is not active is counted for an app that nobody marked, which is not done here.
    assert told == ("200" if dead == "live" else None)
    assert "would have waited" not in caplog.text
    assert "AssertionError" not in caplog.text


def test_what_cannot_be_answered_at_once_is_not_begun(app):
    assert begin(app, "/v1/tokens")[0] is None
    assert begin(app, "/oauth/token", method="POST")[0] is None
    assert begin(app, "/v1/me?" + "x" * 20_000)[0] is None


def test_what_has_to_be_written_is_left_to_somebody_who_may_wait_and_decided_once(
    app, example_client, alice, monkeypatch
):
    token = factories.make_token(alice).plaintext
    wrong = dance.basic(example_client.client.id, "lk_sec_x")["Authorization"]
    right = dance.basic(example_client.client.id, example_client.secret)["Authorization"]
    decided, proved = [], parties.proved

    def noted(sent, *more):
        decided.append(sent.secret)
        return proved(sent, *more)

    monkeypatch.setattr(parties, "proved", noted)
    for sent, proof, expected in (("x", wrong, "401"), ("x", right, "200"), (token, None, "401")):
        body = f"token={sent}".encode()
        headers = {"Authorization": proof} if proof else {}
        status, rest = begin(
            app, "/oauth/introspect", method="POST", content_type="application/x-www-form-urlencoded",
            headers=headers, input_stream=BytesIO(body), content_length=len(body),
        )  # fmt: skip
        assert (status, rest()) == (None, expected)

    assert db.query(Refusal).count() == 1
    assert decided == ["lk_sec_x", example_client.secret]


@pytest.mark.standard("D-12")
def test_the_use_of_a_secret_by_a_call_that_reads_is_written_soon(app, example_client, alice):
    """Once a minute each of them waited for whoever held the write lock."""
    body = f"token={factories.make_token(alice).plaintext}".encode()
    basic = dance.basic(example_client.client.id, example_client.secret)["Authorization"]
    # Of other tests.
    clients.flush_secret_uses()
    for _ in range(2):
        told, _ = begin(
            app, "/oauth/introspect", method="POST", content_type="application/x-www-form-urlencoded",
            headers={"Authorization": basic}, input_stream=BytesIO(body), content_length=len(body),
        )  # fmt: skip
        assert told == "200"
    assert clients.live_secrets(example_client.client)[0].last_used_at is None

    assert (clients.flush_secret_uses(), clients.flush_secret_uses()) == (1, 0)

    db.expire_all()
    assert clients.live_secrets(example_client.client)[0].last_used_at is not None


def test_only_an_embedded_database_is_asked_where_requests_are_dispatched(app):
    at_once = app.extensions[paths.AT_ARRIVAL]

    assert "/oauth/token" not in at_once
    assert ("/v1/me" in at_once) is engines().embedded

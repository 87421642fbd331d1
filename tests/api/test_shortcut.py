"""The calls that are answered before Flask is woken are answered no differently."""

import pytest
from sqlalchemy import event

from latchkey.store import prepared
from latchkey.store.session import engines
from tests.api.calls import Caller, app_caller, caller, problem


@pytest.fixture
def long_way(app, monkeypatch):
    """A client whose calls all go the whole way."""
    whole = app.test_client()

    def ask(*args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(app.wsgi_app, "short_ways", {})
            return whole.open(*args, **kwargs)

    return ask


@pytest.mark.parametrize("path", ["/v1/me", "/v1/token"])
def test_both_ways_say_the_same(app, alice, example_client, long_way, path):
    everything = caller(app.test_client(), alice).plaintext
    narrow = caller(app.test_client(), alice, "apps:read", description="narrow").plaintext
    itself = app_caller(app.test_client(), example_client, None, "account:read").plaintext
    given = [
        None,
        f"Bearer {everything}",
        f"bearer {everything}",
        f"Bearer {narrow}",
        f"Bearer {itself}",
        "Bearer x",
        "Basic eDp5",
        f"Bearer {everything}, Bearer {everything}",
    ]

    for each in given:
        headers = {} if each is None else {"Authorization": each}
        short, long = app.test_client().get(path, headers=headers), long_way(path, headers=headers)

        assert short.status_code == long.status_code
        assert short.get_json() | {"request_id": ""} == long.get_json() | {"request_id": ""}
        told = [
            {name: value for name, value in response.headers.items() if name != "X-Request-Id"}
            for response in (short, long)
        ]
        assert told[0] == told[1]


def test_a_head_and_a_conditional_call_are_answered_too(hers):
    shown = hers.get("/v1/me")

    head = hers.call("HEAD", "/v1/me")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", shown.headers["ETag"])
    assert hers.get("/v1/me", If_None_Match=shown.headers["ETag"]).status_code == 304


def test_a_refusal_asks_the_database_no_more_often(app, hers):
    made = hers.post("/v1/tokens", {"description": "child", "scopes": ["apps:read"]}).get_json()
    child = Caller(app.test_client(), made["token"])
    problem(child.get("/v1/me"), 403)
    counted: list[str] = []
    prepared.watchers.append(counted.append)
    event.listen(engines().read, "before_cursor_execute", lambda *args: counted.append(args[2]))
    try:
        problem(child.get("/v1/me"), 403)
    finally:
        prepared.watchers.clear()

    assert len(counted) == 2


def test_a_fault_of_ours_is_answered_the_whole_way(hers, monkeypatch):
    def broken(*_args):
        raise RuntimeError("broken")

    monkeypatch.setattr("latchkey.tokens.access.find", broken)

    response = hers.get("/v1/me")

    assert response.status_code == 500
    assert response.content_type == "application/problem+json"

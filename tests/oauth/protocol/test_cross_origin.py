"""Pages of other origins (B-14, D-14): public apps may read their own answers, nobody else may."""

import pytest
from sqlalchemy import event

from latchkey import clients
from latchkey.clients import Client
from latchkey.store.session import engines
from tests import factories
from tests.oauth import dance

SPA = "https://spa.example"


@pytest.fixture
def spa(bob):
    return factories.make_client(
        bob, confidential=False, redirect_uris=(f"{SPA}/callback", "http://127.0.0.1/cb", "com.example.app:/cb")
    )


def allowed(answer):
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return answer.headers.get("Access-Control-Allow-Origin")


def post(caller, endpoint, registered, origin):
    data = {"client_id": registered.client.id, "token": "x", "grant_type": "refresh_token", "refresh_token": "x"}
    if registered.secret:
        data["client_secret"] = registered.secret
    return caller.post(f"/oauth/{endpoint}", data=data, headers={"Origin": origin})


@pytest.mark.standard("D-14")
@pytest.mark.parametrize("endpoint", ["token", "revoke"])
def test_its_own_origins_are_allowed(caller, spa, endpoint):
    for origin in (SPA, "http://127.0.0.1:5173"):
        answer = post(caller, endpoint, spa, origin)
        assert allowed(answer) == origin
        assert "Origin" in answer.headers["Vary"]
        asked = caller.options(
            f"/oauth/{endpoint}", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
        )
        assert allowed(asked) == origin
        assert asked.headers["Access-Control-Allow-Methods"] == "POST"


@pytest.mark.standard("D-14")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://spa.example.evil.example",
        "https://spa.example:8443",
        "http://spa.example",
        "null",
        "",
        "https://[",
        "%",
        "http://127.0.0.1.evil.example",
        "com.example.app:",
        "https://",
        "_",
    ],
)
@pytest.mark.parametrize("endpoint", ["token", "revoke"])
def test_others_are_not(caller, spa, endpoint, origin):
    assert allowed(post(caller, endpoint, spa, origin)) is None
    assert (
        allowed(
            caller.options(f"/oauth/{endpoint}", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        )
        is None
    )


def test_a_confidential_app_runs_on_a_server(caller, example_client):
    assert allowed(post(caller, "token", example_client, "https://app.example.com")) is None


def test_errors_can_be_read_too(signed_in, caller, spa):
    answer = caller.post("/oauth/token", data={"client_id": spa.client.id}, headers={"Origin": SPA})

    assert answer.status_code == 400
    assert allowed(answer) == SPA


@pytest.mark.standard("B-14")
@pytest.mark.parametrize("endpoint", ["introspect", "check", "authorize"])
def test_nowhere_else(caller, spa, endpoint):
    for answer in (post(caller, endpoint, spa, SPA), caller.options(f"/oauth/{endpoint}", headers={"Origin": SPA})):
        assert allowed(answer) is None


def test_the_whole_dance_of_a_browser_app(signed_in, caller, spa):
    code = dance.code(signed_in, spa, redirect_uri=f"{SPA}/callback")
    answer = caller.post(
        "/oauth/token",
        data={
            "client_id": spa.client.id,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{SPA}/callback",
            "code_verifier": dance.VERIFIER,
        },
        headers={"Origin": SPA},
    )

    assert answer.status_code == 200
    assert allowed(answer) == SPA


@pytest.mark.standard("A-07", "D-14")
def test_a_preflight_loads_no_client_however_many_there_are(caller, bob, db):
    for number in range(30):
        factories.make_client(
            bob, name=f"Page {number}", confidential=False, redirect_uris=[f"https://spa{number}.example/cb"]
        )
    db.commit()
    loaded, asked = [], []
    event.listen(Client, "load", lambda client, _context: loaded.append(client))
    event.listen(engines().read, "before_cursor_execute", lambda *call: asked.append(call[2]))

    answers = [
        allowed(caller.options("/oauth/token", headers={"Origin": origin}))
        for origin in ("https://spa7.example", "https://nobody.example", "https://spa7.example:443", "h" * 30_000)
    ]

    assert answers == ["https://spa7.example", None, "https://spa7.example:443", None]
    assert loaded == []
    assert all("LIMIT" in statement for statement in asked)


@pytest.mark.standard("D-14")
def test_origins_follow_the_redirect_uris(bob, db):
    client = factories.make_client(bob, confidential=False, redirect_uris=["https://one.example/cb"]).client
    clients.add_redirect_uri(client, "https://two.example:8443/cb", by=None)
    clients.add_redirect_uri(client, "http://127.0.0.1:3000/cb", by=None)
    clients.remove_redirect_uri(client, "https://one.example/cb", by=None)
    db.commit()

    asked = ("https://one.example", "https://two.example:8443", "https://two.example", "http://127.0.0.1:9999")
    assert [clients.any_speaks_from(origin) for origin in asked] == [False, True, False, True]
    clients.remove(client)
    db.commit()
    assert not any(clients.any_speaks_from(origin) for origin in asked)

"""The transport of the MCP server: who gets in, both kinds of versions, and what no real client sends."""

import json

import pytest

from api.mcp import messages
from api.mcp.messages import HANDSHAKE, MODERN
from tests import factories
from tests.api.calls import problem
from tests.api.mcp.speaking import CAPABILITIES, VERSION, Program

METADATA = 'resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp"'
GOOD = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def token(alice) -> str:
    return factories.make_token(alice).plaintext


@pytest.fixture
def old(client, token) -> Program:
    return Program(client, token)


@pytest.fixture
def new(client, token) -> Program:
    return Program(client, token, modern=True)


@pytest.mark.standard("H-02", "H-10", "G-04")
def test_whoever_has_no_token_is_led_to_one(client):
    refused = Program(client, None).ask("initialize")

    problem(refused, 401, "no-token")
    said = refused.headers["WWW-Authenticate"]
    assert "error" not in said
    assert METADATA in said
    document = client.get("/.well-known/oauth-protected-resource/mcp").json
    assert document["resource"] == "http://localhost/mcp"
    assert " ".join(document["scopes_supported"]) in said


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"x" * 200_000, json.dumps(GOOD).encode()])
def test_nothing_is_said_of_a_message_to_who_has_no_token(client, body):
    assert Program(client, None).post(body).status_code == 401
    refused = Program(client, "lk_dev_" + "x" * 36).post(body)
    assert refused.status_code == 401
    assert METADATA in refused.headers["WWW-Authenticate"]


def test_a_cookie_opens_nothing(signed_in):
    assert Program(signed_in, None).ask("tools/list").status_code == 401


def test_two_credentials_are_refused(client, token):
    refused = Program(client, None).ask("tools/list", Authorization=f"Bearer {token}, Bearer {token}")

    assert refused.status_code == 400
    assert METADATA in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "asked, spoken", [(HANDSHAKE[1], HANDSHAKE[1]), ("2024-11-05", HANDSHAKE[0]), ("x", HANDSHAKE[0])]
)
def test_a_client_before_2026_begins_with_a_handshake_and_gets_no_session(old, asked, spoken):
    hello = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}

    answer = old.ask("initialize", hello)

    said = answer.json["result"]
    assert said["protocolVersion"] == spoken
    assert said["capabilities"] == {"tools": {}}
    assert "Mcp-Session-Id" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    begun = old.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, MCP_Protocol_Version=spoken)
    assert (begun.status_code, begun.data) == (202, b"")
    assert old.result("ping", MCP_Protocol_Version=spoken) == {}
    assert old.result("tools/list", MCP_Protocol_Version=spoken)["tools"]


def test_a_client_of_2026_asks_without_one(new):
    found = new.result("server/discover")
    listed = new.result("tools/list")

    assert found["supportedVersions"][0] == MODERN
    assert found["resultType"] == listed["resultType"] == "complete"
    assert (listed["ttlMs"], listed["cacheScope"]) == (0, "private")
    for method in ("initialize", "ping"):
        assert new.ask(method, {"protocolVersion": MODERN}).status_code == 404


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("method", ["resources/list", "prompts/get", "tools/List", "", "x" * 100, "server/discover"])
def test_an_unknown_method_is_said_to_be_none(old, new, method):
    answer = old.ask(method)
    assert (answer.status_code, answer.json["error"]["code"], answer.json["id"]) == (200, -32601, 7)
    if method != "server/discover":
        answer = new.ask(method)
        assert (answer.status_code, answer.json["error"]["code"]) == (404, -32601)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("name", ["nothing", "", None, 1, ["who_am_i"], {"a": 1}, "WHO_AM_I", "regenerate_token"])
def test_an_unknown_tool_is_said_to_be_none(old, name):
    answer = old.ask("tools/call", {"name": name})

    assert answer.json["error"]["code"] == -32602


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "body, code",
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 60_000, -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', -32700),
        (b"[]", -32600),
        (json.dumps([GOOD, GOOD]).encode(), -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode(), -32600),
    ],
)
def test_what_is_no_single_message_is_refused(old, body, code):
    answer = old.post(body)

    assert (answer.status_code, answer.json["error"]["code"], answer.json["id"]) == (400, code, None)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "change",
    [
        {"jsonrpc": "1.0"},
        {"jsonrpc": 2},
        {"id": None},
        {"id": True},
        {"id": 1.5},
        {"id": []},
        {"id": {}},
        {"method": 1},
        {"method": None},
        {"method": "x" * 101},
        {"method": ["ping"]},
    ],
)
def test_a_message_of_the_wrong_shape_is_refused(old, change):
    answer = old.post(GOOD | change)

    assert (answer.status_code, answer.json["error"]["code"]) == (400, -32600)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("params", [[], "x", 1, None, True])
def test_params_of_the_wrong_kind_are_refused(old, params):
    assert old.post(GOOD | {"params": params}).json["error"]["code"] == -32602


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("given", ["2025-03-26", "1999-01-01", "", f"{MODERN}, {MODERN}", "\u00e9", "x" * 5_000])
def test_a_version_that_is_not_spoken_is_refused(old, given):
    answer = old.ask("tools/list", MCP_Protocol_Version=given)

    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (400, -32022)
    assert error["data"]["supported"] == list(messages.VERSIONS)
    assert len(error["data"]["requested"]) <= 40


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "headers, code",
    [
        ({"MCP_Protocol_Version": HANDSHAKE[0]}, -32020),
        ({"Mcp_Method": "tools/list"}, -32020),
        ({"Mcp_Method": ""}, -32020),
        ({"Mcp_Name": "list_tokens"}, -32020),
        ({"Mcp_Name": ""}, -32020),
    ],
)
def test_a_header_that_differs_from_the_message_is_refused(new, headers, code):
    answer = new.ask("tools/call", {"name": "who_am_i"}, **headers)

    assert (answer.status_code, answer.json["error"]["code"]) == (400, code)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("meta", [None, [], {}, {VERSION: MODERN}, {CAPABILITIES: {}}])
def test_a_request_of_2026_says_its_version_itself(new, meta):
    body = GOOD | {"params": {"_meta": meta}}

    answer = new.post(body, MCP_Protocol_Version=MODERN, Mcp_Method="tools/list")

    assert (answer.status_code, answer.json["error"]["code"]) == (400, -32602)


@pytest.mark.standard("A-07")
def test_a_message_is_bounded(old):
    answer = old.post(json.dumps(GOOD | {"params": {"x": "y" * messages.LONGEST}}).encode())
    assert answer.status_code == 413

    assert old.post(b"x" * 300_000).status_code == 413
    assert old.post(b'{"a":' * 10_000).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json-rpc"])
def test_a_message_is_json(client, token, kind):
    headers = {"Authorization": f"Bearer {token}"}

    assert client.post("/mcp", data=json.dumps(GOOD), content_type=kind, headers=headers).status_code == 415
    squeezed = headers | {"Content-Encoding": "gzip"}
    assert client.post("/mcp", json=GOOD, headers=squeezed).status_code == 415


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "https://localhost",
        "http://127.0.0.1.evil.example:80",
        "",
    ],
)
def test_a_page_of_a_foreign_origin_is_refused_before_anything_else(old, origin):
    refused = old.ask("tools/list", Origin=origin)

    problem(refused, 403, "foreign-origin")
    assert "WWW-Authenticate" not in refused.headers


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1:8000", "http://[::1]:1"])
def test_a_page_on_ones_own_device_is_led_to_a_token(old, client, origin):
    assert Program(client, None).ask("tools/list", Origin=origin).status_code == 401
    assert old.ask("tools/list", Origin=origin).status_code == 200


def test_a_page_of_an_app_that_is_registered_here_may_call(old, alice):
    factories.make_client(alice, confidential=False, redirect_uris=["https://spa.example/cb"])

    for origin in ("http://localhost", "https://spa.example"):
        assert old.ask("tools/list", Origin=origin).status_code == 200
    assert old.ask("tools/list", Origin="https://spa.example:8443").status_code == 403
    asked = old.client.options("/mcp", headers={"Origin": "https://spa.example"})
    assert asked.status_code == 204
    assert "MCP-Protocol-Version" in asked.headers["Access-Control-Allow-Headers"]


@pytest.mark.standard("A-08")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_there_is_no_stream_and_no_session(old, method):
    headers = {"Authorization": f"Bearer {old.plaintext}", "Accept": "text/event-stream"}

    refused = problem(old.client.open("/mcp", method=method, headers=headers), 405, "wrong-method")

    assert refused
    assert old.client.open("/mcp/", method=method, headers=headers).status_code == 404


def test_it_is_no_call_of_the_reference(client):
    assert "/mcp" not in client.get("/v1/openapi.json").json["paths"]

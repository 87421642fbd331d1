"""The official MCP SDKs, from a 401 to a tool call: at /mcp, and at the example that stands behind the portal."""

import contextlib
import json
import os
import signal
import socket
import sys

import pytest
import requests

from api.mcp.tools import TOOLS
from latchkey import grants, scopes
from latchkey.clients import Client, asking, documents
from latchkey.grants import Grant
from latchkey.store.session import db
from tests import factories, servers
from tests.api.mcp.test_tools import CASES, given
from tests.flows import agents
from tests.flows.agents import REDIRECT
from tests.flows.person import Person

EXAMPLE = servers.ROOT / "examples" / "mcp-notes"
DOCUMENT = "https://agent.example.com/client.json"
DEFAULT = {scope.name for scope in scopes.SHIPPED if scope.default}
pytestmark = pytest.mark.slow("starts two servers and a client of each SDK")
ONE = pytest.mark.either_database("asks the database what the other one does")


@contextlib.contextmanager
def notes_server(portal: str, address: str, port: int):
    """The example, as its README starts it."""
    there = os.environ | {"NOTES_LATCHKEY": portal, "NOTES_ADDRESS": address}
    process = servers.start([sys.executable, str(EXAMPLE / "server.py")], signal.SIGTERM, env=there)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return process.poll() is not None

    try:
        servers.wait_until(listens, "the notes server")
        yield
    finally:
        servers.end(process, signal.SIGTERM)


@pytest.fixture
def place(settings, catalogues):
    """The addresses of a portal that lets apps come by themselves, and of the notes server behind it."""
    port = servers.free_port()
    address = f"http://127.0.0.1:{port}/mcp"
    resources = (EXAMPLE / "resources.toml").read_text().replace("http://127.0.0.1:8090/mcp", address)
    catalogues((EXAMPLE / "scopes.toml").read_text(), resources)
    opened = {"LATCHKEY_CLIENT_REGISTRATION": "open", "LATCHKEY_CLIENT_DOCUMENTS": "open"}
    database = {"LATCHKEY_DATABASE_URL": settings.database_url}
    with (
        servers.latchkey(settings.instance, forked=True, **database, **opened) as portal,
        notes_server(portal.url, address, port),
    ):
        yield portal.url, address


@pytest.fixture(params=[agents.Python, pytest.param(agents.TypeScript, marks=ONE)], ids=["python", "typescript"])
def agent(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def known_document() -> None:
    """The document was read a moment ago: its host is not on this machine, and https leads to no other here."""
    document = {"client_id": DOCUMENT, "client_name": "Agent", "redirect_uris": [REDIRECT]}
    said, keys = documents.read(DOCUMENT, json.dumps(document).encode())
    documents.keep(DOCUMENT, said, keys, asking.USUAL)
    db.commit()


@pytest.mark.standard("H-10", "G-04", "J-07", "J-10")
def test_an_agent_comes_from_a_401_to_a_call(place, agent, alice, bob):
    """In three ways: registered by its maker, by itself, and by a document; at a server of our own and at another."""
    portal, notes = place
    person = Person(portal)
    agent.agree = lambda address: person.agree(address, alice)
    known_document()
    ours = factories.make_client(bob, name="Agent", redirect_uris=[REDIRECT], scopes=[*DEFAULT])
    theirs = factories.make_client(
        bob, name="Notes agent", redirect_uris=[REDIRECT], scopes=["notes:read", "notes:write"], confidential=False
    )
    secret = {
        "client_id": ours.client.id,
        "client_secret": ours.secret,
        "token_endpoint_auth_method": "client_secret_basic",
    }
    asked = {"url": f"{portal}/mcp", "calls": [("who_am_i", {}), ("list_tokens", {"limit": 1})]}

    registered = agent.do(**asked)
    documented = agent.do(**asked, document=DOCUMENT)
    before = agent.do(**asked, client=secret)
    by_itself = agent.do(url=notes, calls=[("list_notes", {})])
    public = {"client_id": theirs.client.id, "token_endpoint_auth_method": "none"}
    stepping_up = agent.do(url=notes, calls=[("list_notes", {}), ("add_note", {"text": "Milk"})], client=public)

    for done in (registered, documented, before):
        assert done["results"]["who_am_i"]["data"]["email"] == alice.email
        assert done["results"]["list_tokens"]["data"] == {"data": [], "next_cursor": None}
        assert set(done["tools"]) == {name for name, tool in TOOLS.items() if not tool.scopes & scopes.CREDENTIAL}
        assert set(done["scope"].split()) == DEFAULT
        assert done["refreshed"]
    assert (documented["client"], before["client"]) == (DOCUMENT, ours.client.id)
    assert by_itself["refreshed"]
    assert by_itself["scope"] == "notes:read"
    assert by_itself["tools"] == ["list_notes", "add_note"]
    if isinstance(agent, agents.Python):
        # The client of TypeScript refreshes instead of asking for more.
        assert stepping_up["results"]["add_note"]["text"] == "Noted: Milk"
        assert stepping_up["scope"] == "notes:read notes:write"
    db.expire_all()
    assert {grant.resource for grant in db.query(Grant)} == {"mcp", notes}
    assert db.query(Client).filter_by(owner_id=None, document_url=None).count() == 2


def test_each_tool_works_with_a_token_that_may_and_no_other(live_server, agent, alice, example_client):
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    things = {
        "app_id": factories.make_client(alice, name="Hers").client.id,
        "token_id": factories.make_token(alice, description="Hers").token.id,
        "authorization_id": grant.authorization_id,
    }
    calls = [(name, given(name, things)) for name in CASES]
    everything = factories.make_token(alice, description="All", scopes=[scope.name for scope in scopes.SHIPPED])
    little = factories.make_token(alice, description="Little", scopes=["account:write"])
    asked = {"url": f"{live_server.url}/mcp", "calls": calls}

    may_not = agent.do(**asked, token=little.plaintext, mode="legacy")
    may = agent.do(**asked, token=everything.plaintext)

    assert set(may_not["tools"]) == {name for name, case in CASES.items() if not case.scope}
    assert {name for name, found in may_not["results"].items() if "refused" in found} == {
        name for name, case in CASES.items() if case.scope
    }
    assert set(may["tools"]) == set(TOOLS)
    assert {name: found.get("error") for name, found in may["results"].items()} == dict.fromkeys(CASES, False)


def test_the_example_asks_about_each_message_and_believes_no_caller(place, alice, bob):
    portal, notes = place
    hers = factories.make_token(alice, scopes=["notes:read", "notes:write"]).plaintext
    his = factories.make_token(bob, scopes=["notes:read"]).plaintext
    elsewhere = factories.make_token(alice, description="Other", scopes=["account:read"]).plaintext

    def ask(token: str | None, tool: str, /, **arguments: str) -> requests.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        sent = {"Accept": "application/json, text/event-stream", "X-Auth-User-Id": alice.id}
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(notes, json=body, headers=sent | bearer, timeout=60)

    document = requests.get(notes.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"), timeout=60).json()
    nobody, wrong, narrow = ask(None, "list_notes"), ask(elsewhere, "list_notes"), ask(his, "add_note", text="x")
    written = ask(hers, "add_note", text="Milk")
    read = [ask(token, "list_notes").json()["result"]["structuredContent"]["result"] for token in (hers, his)]

    assert (document["resource"], document["authorization_servers"]) == (notes, [portal])
    assert [answer.status_code for answer in (nobody, wrong, narrow, written)] == [401, 401, 403, 200]
    for refused in (nobody, wrong, narrow):
        challenge = refused.headers["WWW-Authenticate"]
        assert f'resource_metadata="{portal}/.well-known/oauth-protected-resource/notes"' in challenge
    assert 'scope="notes:read notes:write"' in narrow.headers["WWW-Authenticate"]
    assert read == [["Milk"], []]
    assert requests.post(notes, data=b"x" * 100_000, timeout=60).status_code == 413
    # What it cannot read takes all that its tools take.
    doubled = b'{"method": "tools/list", "method": "tools/call", "params": {"name": "add_note"}}'
    for body in (b"[1]", b"\xff", doubled):
        bearer = {"Authorization": f"Bearer {his}"}
        assert requests.post(notes, data=body, headers=bearer, timeout=60).status_code == 403

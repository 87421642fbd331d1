"""The guides for agents: what they tell people to type, and that what each agent registers is taken here."""

import json
import re
import shlex
from html import unescape

import pytest

from api.mcp.tools import TOOLS
from latchkey.clients import documents
from portal.guides.agents.known import AGENTS
from tests.flows import snippets

OPEN = pytest.mark.settings(client_documents="open", client_registration="open")
NAMES = list(AGENTS)
MCP = "http://localhost/mcp"


def code(client, name: str, which: str = "ex-add") -> str:
    return snippets.of(client.get(f"/docs/agents/{name}").text)[which]


def exactly(uri: str) -> str:
    """What stands for what differs each time is filled in."""
    return uri.replace("WORD", "Ab3xY9")


def test_the_command_for_claude_code_names_the_server(client):
    for which in ("ex-add", "ex-app"):
        words = shlex.split(code(client, "claude-code", which))
        assert words[:3] == ["claude", "mcp", "add"]
        assert words[-2:] == ["portal", MCP]
    assert "YOUR_CLIENT_ID" in words


@pytest.mark.parametrize("name, key", [("vs-code", "servers"), ("cursor", "mcpServers")])
def test_the_files_of_editors_are_json_that_names_the_server(client, name, key):
    plain, with_app = (json.loads(code(client, name, which))[key]["portal"] for which in ("ex-add", "ex-app"))

    assert plain["url"] == with_app["url"] == MCP
    assert "YOUR_CLIENT_ID" not in json.dumps(plain)
    assert "YOUR_CLIENT_ID" in json.dumps(with_app)


def test_the_others_are_given_the_address(client):
    assert code(client, "chatgpt") == MCP
    assert shlex.split(code(client, "mcp-inspector"))[-2:] == ["--server-url", MCP]


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("name", NAMES)
def test_where_the_client_id_goes_is_in_what_is_typed_or_left_to_the_agent(client, name):
    page = client.get(f"/docs/agents/{name}").text
    asked = f"type the client id where {AGENTS[name].title} asks for one" in page

    assert asked != ("YOUR_CLIENT_ID" in snippets.of(page).get("ex-app", ""))


@pytest.mark.standard("J-08")
@OPEN
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("name", NAMES)
def test_what_each_agent_registers_is_taken_here(client, name):
    agent = AGENTS[name]
    body = {"redirect_uris": [exactly(uri) for uri in agent.redirect_uris], "token_endpoint_auth_method": "none"}
    body |= {"client_name": agent.client_name} if agent.client_name else {}

    answer = client.post("/oauth/register", json=body)

    assert answer.status_code == 201, answer.text
    assert answer.json["redirect_uris"] == body["redirect_uris"]
    if agent.document:
        document = {"client_id": agent.document, "client_name": agent.title, "redirect_uris": body["redirect_uris"]}
        said, _ = documents.read(agent.document, json.dumps(document).encode())
        assert said.redirect_uris == body["redirect_uris"]


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("name", NAMES)
def test_each_page_says_what_is_registered_and_where_that_is_said(client, name):
    agent = AGENTS[name]
    page = unescape(client.get(f"/docs/agents/{name}").text)
    text = client.get(f"/docs/agents/{name}.md").text

    assert agent.sources
    for said in (*agent.redirect_uris, *agent.sources, agent.document, agent.checked.isoformat()):
        assert said in page
        assert said in text


def test_the_pages_say_which_ways_are_open(client):
    assert "do not register themselves" in client.get("/docs/agents/cursor").text
    assert len(re.findall("off here", client.get("/docs/agents").text)) == 2


@OPEN
def test_nothing_is_to_be_filled_in_where_agents_come_by_themselves(client):
    page = client.get("/docs/agents/claude-code").text

    assert "nothing to fill in" in page
    assert "YOUR_CLIENT_ID" not in page
    assert "off here" not in client.get("/docs/agents").text


def test_the_operators_own_apis_are_connected_likewise(two_apis, client):
    found = snippets.of(client.get("/docs/agents/cursor").text)

    assert json.loads(found["ex-add-billing"])["mcpServers"]["billing"]["url"] == "https://billing.example.com/v2"
    assert "Billing API" in client.get("/docs/agents").text


def test_every_tool_of_the_mcp_server_is_told_with_its_scope(client):
    page, text = unescape(client.get("/docs/agents").text), client.get("/docs/agents.md").text

    for tool in TOOLS.values():
        assert tool.about in page
        assert f"| `{tool.name}` |" in text
        assert all(f"`{scope}`" in text for scope in tool.scopes)


def test_the_guide_to_oauth_tells_of_devices(client):
    page = client.get("/docs/oauth").text

    assert 'id="device"' in page
    assert "/oauth/device_authorization" in page
    assert 'href="/device"' in page

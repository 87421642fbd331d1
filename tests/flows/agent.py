"""What the agent of the Python SDK does, as `agent.mjs` does it by that of TypeScript; takes a second to load."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from mcp.shared.exceptions import MCPError

from tests.flows.agents import REDIRECT, Agree


class Storage:
    """Tokens and registration, in memory."""

    def __init__(self, client: OAuthClientInformationFull | None) -> None:
        self.client, self.tokens = client, None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client: Any) -> None:
        self.client = client


def _provider(task: dict[str, Any], storage: Storage, agree: Agree) -> OAuthClientProvider:
    led = []

    async def redirect(address: str) -> None:
        led.append(await asyncio.to_thread(agree, address))

    async def callback() -> AuthorizationCodeResult:
        given = {name: values[0] for name, values in parse_qs(urlsplit(led.pop()).query).items()}
        return AuthorizationCodeResult(**given)

    metadata = OAuthClientMetadata(client_name="Agent", redirect_uris=[REDIRECT], token_endpoint_auth_method="none")
    return OAuthClientProvider(task["url"], metadata, storage, redirect, callback, task.get("document"))


async def _used(client: Client, calls: list[tuple[str, dict]]) -> dict[str, Any]:
    found = {}
    for name, arguments in calls:
        try:
            result = await client.call_tool(name, arguments)
            text = result.content[0].text if result.content else None
            found[name] = {"error": result.is_error, "text": text, "data": result.structured_content}
        except MCPError as error:
            found[name] = {"refused": error.error.code}
    return found


async def carried_out(task: dict[str, Any], agree: Agree) -> dict[str, Any]:
    given = task.get("client")
    known = OAuthClientInformationFull(redirect_uris=[REDIRECT], **given) if given else None
    storage = Storage(known)
    provider = None if "token" in task else _provider(task, storage, agree)
    headers = {"Authorization": f"Bearer {task['token']}"} if "token" in task else {}
    async with (
        httpx2.AsyncClient(auth=provider, headers=headers, timeout=60) as http,
        Client(streamable_http_client(task["url"], http_client=http), mode=task.get("mode", "auto")) as client,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        results = await _used(client, task["calls"])
        refreshed = None
        if provider is not None:
            before = storage.tokens.refresh_token
            # As if it had expired.
            provider.context.token_expiry_time = 1
            await client.call_tool(*task["calls"][0])
            refreshed = storage.tokens.refresh_token != before
    named = {"client": storage.client.client_id, "scope": storage.tokens.scope} if provider is not None else {}
    return {"tools": tools, "results": results, "refreshed": refreshed, **named}

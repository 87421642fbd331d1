"""A small MCP server behind Latchkey, which decides about each message; nothing about tokens is known here."""

import json
import os
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import httpx2
import uvicorn
from mcp.server.mcpserver import Context, MCPServer

PORTAL = os.environ["NOTES_LATCHKEY"]
# As in resources.toml.
ADDRESS = os.environ.get("NOTES_ADDRESS", "http://127.0.0.1:8090/mcp")
NAME = "notes"
PATH = urlsplit(ADDRESS).path
# RFC 9728 section 3.1: before the path of what it describes.
METADATA = f"/.well-known/oauth-protected-resource{PATH}"
LONGEST = 64 * 1024
USER = b"x-auth-user-id"
# What a message takes, and what these tools take. A refusal names all of it, since clients ask for just that.
ANY, NEEDED = "notes:read", {"add_note": "notes:read notes:write"}

server = MCPServer("notes", instructions="The user's notes.")
# By the user's id. In memory, to keep the example short: yours are in your database.
notes: dict[str, list[str]] = defaultdict(list)


@server.tool()
def list_notes(ctx: Context) -> list[str]:
    """The user's notes."""
    return notes[ctx.headers[USER.decode()]]


@server.tool()
def add_note(text: str, ctx: Context) -> str:
    """Add a note."""
    notes[ctx.headers[USER.decode()]].append(text)
    return f"Noted: {text}"


class Guard:
    """Before each message it asks whether the caller may send it, and passes a refusal on as it is (RFC 6750)."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.latchkey = httpx2.AsyncClient(base_url=PORTAL, timeout=5)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == METADATA:
            # Agents ask here first: the portal wrote the document.
            found = await self.latchkey.get(f"/.well-known/oauth-protected-resource/{NAME}")
            await answer(send, found.status_code, [(b"content-type", b"application/json")], found.content)
        elif scope["path"] != PATH or scope["method"] != "POST":
            await answer(send, 405 if scope["path"] == PATH else 404, [(b"allow", b"POST")])
        else:
            await self.ask(scope, receive, send)

    async def ask(self, scope: Any, receive: Any, send: Any) -> None:
        body = await read(receive)
        if body is None:
            await answer(send, 413, [])
            return
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        asked = {"resource": ADDRESS, "scope": needed(body)}
        try:
            found = await self.latchkey.get(
                "/oauth/check", params=asked, headers=[("Authorization", value.decode("latin-1")) for value in sent]
            )
        except httpx2.TransportError:
            # Nobody is let in while nobody can be asked.
            await answer(send, 503, [(b"retry-after", b"5")])
            return
        if found.status_code != 200:
            challenge = found.headers.get("WWW-Authenticate", "Bearer").encode()
            await answer(send, found.status_code, [(b"www-authenticate", challenge)])
            return
        user = found.headers["X-Auth-User-Id"]
        if not user:
            # An app that acts as itself has no notes.
            await answer(send, 403, [])
            return
        # What a caller says of itself counts for nothing.
        headers = [(name, value) for name, value in scope["headers"] if name != USER]
        headers.append((USER, user.encode()))
        await self.app({**scope, "headers": headers}, replay(body, receive), send)


def needed(body: bytes) -> str:
    """The scopes of the tool that a message calls; what cannot be read, the server itself refuses."""
    try:
        message = json.loads(body, object_pairs_hook=once)
        name = message["params"]["name"] if message["method"] == "tools/call" else ""
        return NEEDED.get(name, ANY)
    except (ValueError, KeyError, TypeError, RecursionError):
        return " ".join(sorted({ANY, *" ".join(NEEDED.values()).split()}))


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name comes twice: two readers could take it for two messages."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


async def read(receive: Any) -> bytes | None:
    """The body, or nothing if it is too long."""
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body", False)
        if len(body) > LONGEST:
            return None
    return body


def replay(body: bytes, receive: Any) -> Any:
    """The body once more, for the server behind."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return parts.pop() if parts else await receive()

    return again


async def answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    kept = (b"cache-control", b"no-store")
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length, kept]})
    await send({"type": "http.response.body", "body": body})


app = Guard(server.streamable_http_app(streamable_http_path=PATH, json_response=True, stateless_http=True))

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=urlsplit(ADDRESS).port or 8090, log_level="warning")

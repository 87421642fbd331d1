"""A program that speaks MCP by hand, for what no real client sends."""

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.mcp import messages

VERSION, CAPABILITIES = messages.META_VERSION, messages.META_CAPABILITIES


class Program:
    """One token, and messages of either kind of version."""

    def __init__(self, client: FlaskClient, plaintext: str | None, *, modern: bool = False) -> None:
        self.client, self.plaintext, self.modern = client, plaintext, modern

    def post(self, body: object, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.plaintext is not None:
            named.setdefault("Authorization", f"Bearer {self.plaintext}")
        sent = {"data": body, "content_type": "application/json"} if isinstance(body, bytes) else {"json": body}
        return self.client.post("/mcp", headers=named, **sent)

    def ask(self, method: str, params: dict | None = None, **headers: str) -> TestResponse:
        params = dict(params or {})
        if self.modern:
            params["_meta"] = {VERSION: messages.MODERN, CAPABILITIES: {}} | params.get("_meta", {})
            headers = {"MCP_Protocol_Version": messages.MODERN, "Mcp_Method": method} | headers
            if "name" in params:
                headers = {"Mcp_Name": str(params["name"])} | headers
        return self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}, **headers)

    def result(self, method: str, params: dict | None = None, **headers: str) -> dict:
        answer = self.ask(method, params, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.json["id"] == 7
        return answer.json["result"]

    def tools(self) -> set[str]:
        return {tool["name"] for tool in self.result("tools/list")["tools"]}

    def use(self, tool: str, **arguments: object) -> dict:
        return self.result("tools/call", {"name": tool, "arguments": arguments})

"""Messages of MCP over streamable HTTP, without sessions: one JSON-RPC 2.0 message in, one out.

Versions before 2026-07-28 begin with `initialize`; from there on each request says its version by itself.
"""

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from api.kit.answers import JSON, PRIVATE
from latchkey import fetching, texts
from web.calls import Call, Refusal, Reply

# Of bytes: what a tool takes is a page at most.
LONGEST = 64 * 1024
LONGEST_METHOD = 100
VERSION_HEADER = "MCP-Protocol-Version"
MODERN = "2026-07-28"
HANDSHAKE = ("2025-11-25", "2025-06-18")
VERSIONS = (MODERN, *HANDSHAKE)
META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CALL = "tools/call"


class Code(IntEnum):
    """What is wrong, by JSON-RPC 2.0 §5.1 and by MCP."""

    NOT_JSON = -32700
    INVALID_REQUEST = -32600
    NO_METHOD = -32601
    INVALID_PARAMS = -32602
    HEADER_MISMATCH = -32020
    VERSION = -32022


_STATUS = {Code.NO_METHOD: 404}


class Fault(Refusal):
    """A message that cannot be answered. `id` is that of the request, if it could be read."""

    def __init__(
        self, code: Code, message: str, *, of: "Message | None" = None, status: int | None = None, data: Any = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.of, self.data = code, message, of, data
        self.status = status

    def reply(self, request_id: str) -> Reply:
        """The error. Before 2026-07-28 what is wrong with a request as such is no fault of HTTP."""
        old = self.of is not None and not self.of.modern
        error = {"code": self.code, "message": self.message} | ({} if self.data is None else {"data": self.data})
        status = self.status or (200 if old else _STATUS.get(self.code, 400))
        return _reply(status, {"id": None if self.of is None else self.of.id, "error": error})


class Message(NamedTuple):
    """A request, or a notification, which has no id and is answered by nothing."""

    id: str | int | None
    method: str
    params: Mapping[str, Any]
    modern: bool


def result(message: Message, found: Mapping[str, Any]) -> Reply:
    """The answer to a request."""
    return _reply(200, {"id": message.id, "result": found})


def acknowledged() -> Reply:
    """The answer to a notification."""
    return Reply(202, b"", [], PRIVATE)


def _reply(status: int, body: Mapping[str, Any]) -> Reply:
    # As ASCII: an id that is echoed may hold half a surrogate pair.
    return Reply(status, json.dumps({"jsonrpc": "2.0", **body}).encode(), [JSON], PRIVATE)


def read(call: Call) -> Message:
    """The one message that came. Raises `Fault`."""
    sent = _object(call)
    message = _envelope(call, sent)
    if message.modern:
        _check_envelope(call, message)
    return message


def _object(call: Call) -> dict[str, Any]:
    if call.mimetype != "application/json" or (call.header("Content-Encoding") or "identity") != "identity":
        raise Fault(Code.INVALID_REQUEST, "Send the message as application/json, not compressed.", status=415)
    if len(call.body) > LONGEST:
        raise Fault(Code.INVALID_REQUEST, f"The message is longer than {LONGEST:,} bytes.", status=413)
    try:
        return fetching.read_object(call.body)
    except fetching.NotJson:
        raise Fault(Code.NOT_JSON, "Send JSON in UTF-8, in which no name comes twice.") from None
    except fetching.NotAnObject:
        raise Fault(Code.INVALID_REQUEST, "Send one message at a time: a JSON object, no list.") from None


def _envelope(call: Call, sent: Mapping[str, Any]) -> Message:
    method, params, named = sent.get("method"), sent.get("params", {}), sent.get("id")
    if sent.get("jsonrpc") != "2.0" or not isinstance(method, str) or len(method) > LONGEST_METHOD:
        raise Fault(Code.INVALID_REQUEST, "Send a request or notification of JSON-RPC 2.0.")
    if "id" in sent and (isinstance(named, bool) or not isinstance(named, str | int)):
        raise Fault(Code.INVALID_REQUEST, "The id is a text or a whole number.")
    given = call.header(VERSION_HEADER)
    meta = params.get("_meta") if isinstance(params, dict) else None
    modern = given == MODERN or (isinstance(meta, dict) and META_VERSION in meta)
    message = Message(named, method, params if isinstance(params, dict) else {}, modern)
    if given is not None and given not in VERSIONS:
        data = {"supported": list(VERSIONS), "requested": texts.printable(given, 40)}
        raise Fault(Code.VERSION, "Unsupported protocol version", of=message, status=400, data=data)
    if not isinstance(params, dict):
        raise Fault(Code.INVALID_PARAMS, "The params are an object.", of=message)
    return message


def _check_envelope(call: Call, message: Message) -> None:
    """What stands in headers for whoever routes by them has to be what stands in the message."""
    if message.id is None:
        return
    meta = message.params.get("_meta")
    if not isinstance(meta, dict) or META_VERSION not in meta or META_CAPABILITIES not in meta:
        said = f"params._meta needs {META_VERSION} and {META_CAPABILITIES}."
        raise Fault(Code.INVALID_PARAMS, said, of=message)
    named = {VERSION_HEADER: meta[META_VERSION], "Mcp-Method": message.method}
    if message.method == CALL:
        named["Mcp-Name"] = message.params.get("name")
    for header, value in named.items():
        if call.header(header) != value:
            raise Fault(Code.HEADER_MISMATCH, f"The header {header} differs from the message.", of=message)

"""Problem documents (RFC 9457) for what the framework refuses, under the API with types of our own."""

from typing import Any

from latchkey import settings

API = ("/v1/", "/mcp/")
# The last part of `type`, by which programs tell refusals apart; /docs/api explains each.
KINDS = {
    400: "malformed-request",
    404: "not-found",
    405: "wrong-method",
    413: "too-large",
    414: "address-too-long",
    415: "wrong-media-type",
    429: "too-often",
    431: "headers-too-large",
    500: "server-fault",
    503: "unavailable",
}


def document(path: str, status: int, title: str, detail: str, request_id: str) -> dict[str, Any]:
    """The problem that a call of `path` is answered with."""
    kind = KINDS.get(status, KINDS[400 if status < 500 else 500]) if f"{path}/".startswith(API) else None
    return {
        "type": f"{settings.current().base_url}/docs/api#problem-{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }

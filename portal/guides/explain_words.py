"""What “Explain this request” says of answers and addresses that are known: statuses and endpoints."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One sentence about the request: `ok`, `bad` or `info`, and where to go if somewhere."""

    kind: str
    text: str
    url: str = ""
    label: str = ""


STATUSES = {
    "400": "400 means that the request could not be read, or lacks something.",
    "401": "401 means that the token itself does not work: it is unknown, has expired or was revoked.",
    "403": "403 means that the token works but lacks a scope. The answer's “fix_url” leads to a form with it ticked.",
    "404": "404 means that there is no such thing, or that it is somebody else's: the answer does not tell.",
    "405": "405 means that the address does not take this method. “Allow” in the answer lists those it takes.",
    "409": "409 means that the thing is in a state that does not allow this.",
    "413": "413 means that what was sent is too large.",
    "415": "415 means that the body has another media type than the address takes.",
    "422": "422 means that a field was not as it should be. “errors” in the answer names it.",
    "429": "429 means too many calls. “Retry-After” says how many seconds to wait.",
    "500": "500 means that something broke on the server. Try again, then tell the operator the request id.",
    "502": "502 comes from a gateway that could not reach the API behind it, or got no sense from it.",
    "503": "503 means that the server cannot answer just now. Try again in a moment.",
    "504": "504 comes from a gateway whose API did not answer in time.",
}
# Method and what the endpoint is for.
ENDPOINTS = {
    "/oauth/authorize": ("GET", "is a page for browsers: send the person there and wait for them at the redirect URI"),
    "/oauth/token": ("POST", "exchanges a code or refresh token. It takes a form, not JSON, and the app's own proof"),
    "/oauth/revoke": ("POST", "ends a token of the app. It takes a form with “token”, and the app's own proof"),
    "/oauth/introspect": (
        "POST",
        "says what a token is. It takes a form with “token”, and the proof of a confidential app",
    ),
    "/oauth/check": ("GET", "is for gateways: it takes the caller's Authorization header and answers 200, 401 or 403"),
    "/oauth/device_authorization": ("POST", "begins the sign-in of a device. It takes a form with “client_id”"),
    "/mcp": ("POST", "is the MCP server, for agents: it takes one JSON-RPC message, and a token that is for it"),
    "/oauth/register": ("POST", "registers an app by itself, where the operator allows that. It takes JSON"),
    "/.well-known/oauth-authorization-server": ("GET", "lists what a library needs to know. It takes no token"),
    "/.well-known/oauth-protected-resource": (
        "GET",
        "says which server hands out tokens for the API. It takes no token",
    ),
}

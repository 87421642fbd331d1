"""What “Explain this request” says of answers and addresses that are known: OAuth errors, statuses, endpoints."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One sentence about the request: `ok`, `bad` or `info`, and where to go if somewhere."""

    kind: str
    text: str
    url: str = ""
    label: str = ""


OAUTH_ERRORS = {
    "access_denied": "the person said no. Say so in your app, and let them try again",
    "authorization_pending": "the person has not decided yet. Ask again after as many seconds as “interval” says",
    "consent_required": "it answers prompt=none, and the person has to see the consent screen. Send them without it",
    "expired_token": "the device code is over. Ask for another one",
    "insufficient_scope": "the token works but lacks a scope. “scope” names what the call needs",
    "invalid_client": "the client id or secret is wrong, or sent in another way than registered. Check the secret",
    "invalid_client_metadata": "a field of the registration is not as it should be",
    "invalid_grant": "the code or refresh token is used, expired, or for another client, redirect URI or verifier. "
    "Start the flow again",
    "invalid_request": "a parameter is missing, doubled or malformed. “error_description” says which",
    "invalid_scope": "a scope does not exist, or the app may not ask for it",
    "invalid_target": "“resource” names no API that is known here. Leave it out, or send the API's identifier",
    "invalid_token": "the token itself does not work: unknown, expired or revoked. Refresh it, or make another",
    "login_required": "it answers prompt=none, and nobody is signed in. Send the person again without it",
    "server_error": "something broke here. Try again; if it stays, tell the operator the request id",
    "slow_down": "the device asks too often. Wait five seconds longer between two requests",
    "temporarily_unavailable": "it is busy or its records cannot be reached. Try again in a moment",
    "unauthorized_client": "the app may not use this grant type. A public app cannot act as itself",
    "unsupported_grant_type": "there is no such grant type here",
    "unsupported_response_type": "only response_type=code is known here",
}
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
    "/oauth/register": ("POST", "registers an app by itself, where the operator allows that. It takes JSON"),
    "/.well-known/oauth-authorization-server": ("GET", "lists what a library needs to know. It takes no token"),
    "/.well-known/oauth-protected-resource": (
        "GET",
        "says which server hands out tokens for the API. It takes no token",
    ),
}

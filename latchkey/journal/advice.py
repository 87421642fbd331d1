"""What to do about what was refused, in words: by the errors of OAuth, and by why a call with a token was."""

from latchkey.journal.refusals import Reason

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
CALLS = {
    Reason.SCOPE: "add the scope to the token in the portal, or let the app ask its user again with it",
    Reason.ADDRESS: "call from one of the token's allowed addresses, or let its owner widen them in the portal",
    Reason.RESOURCE: "use a token for this API: name its identifier as “resource” when you ask for one",
    Reason.EXPIRED: "make a new token or regenerate this one; an app refreshes its own",
    Reason.REVOKED: "it works never again. Make a new one, or let the app ask its user again",
    Reason.PAUSED: "its user resumes what acts for them under “Authorized applications”",
    Reason.WAITING: "wait for the administrator; its owner gets an e-mail",
    Reason.TOO_MANY: "call less often. “Retry-After” in the answer says how many seconds to wait",
}


def on(error: str) -> str:
    """What to do about an error; empty for one that nobody knows."""
    advised: dict[str, str] = OAUTH_ERRORS | {str(reason): text for reason, text in CALLS.items()}
    return advised.get(error, "")

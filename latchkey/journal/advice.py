"""What to do about what was refused, in words: by the errors of OAuth, and by why a call with a token was."""

from latchkey.journal.calls.refused_calls import Reason

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
# Every kind of refusal that the API has, by the last part of its `type`, with its status.
PROBLEMS: dict[str, tuple[int, str]] = {
    "no-token": (401, "Send a token as “Authorization: Bearer …”."),
    "unknown-token": (
        401,
        (
            "It is cut off or mistyped, another credential such as a refresh token, never issued here, or long gone."
            " Look whether it belongs to another portal."
        ),
    ),
    "expired-token": (401, "Make a new one, or refresh the access token."),
    "revoked-token": (401, "Somebody ended it. Make a new one, or ask the person again."),
    "token-waiting": (
        401,
        (
            "One of its scopes needs an administrator’s approval. Keep the token: its owner gets an e-mail when "
            "that is decided."
        ),
    ),
    "token-paused": (
        401,
        "The person has paused everything that acts for them. Keep the token: it works again when they resume.",
    ),
    "wrong-resource": (
        401,
        (
            "The token works at another API only. Ask for one that names this one as its “resource”, or make one "
            "with scopes of this one."
        ),
    ),
    "insufficient-scope": (403, "“scope” names what is missing. “fix_url” leads to a form with it ticked."),
    "scope-too-wide": (
        403,
        "A token cannot give another one what it does not have. Ask for less, or use a token that has it.",
    ),
    "no-user": (403, "The app acts as itself, and the call is about a person. Use a token that acts for one."),
    "foreign-origin": (
        403,
        (
            "A page in a browser called the MCP server, and no app here leads back to its origin. Register its "
            "redirect URI."
        ),
    ),
    "email-unverified": (403, "The person has to open the link in the e-mail before they can make credentials."),
    "closed": (403, "The call declares no scope, so no token opens it. A mistake on our side."),
    "two-tokens": (400, "Send exactly one Authorization header with one value."),
    "not-json": (400, "The body is not one JSON object in UTF-8, or a name comes twice in it."),
    "wrong-media-type": (415, "Send the body as “Content-Type: application/json”."),
    "wrong-fields": (422, "“errors” has a line for each field or parameter that is wrong. Nothing was changed."),
    "not-found": (404, "There is no such thing, or it is somebody else's."),
    "chain-too-long": (
        403,
        "Tokens that are made by tokens go five generations deep. Use one that was made less indirectly.",
    ),
    "trusted-app": (
        403,
        (
            "People are not asked about a trusted app: its name, redirect URIs, PKCE and secret are changed by an"
            " administrator alone."
        ),
    ),
    "not-its-own": (
        403,
        "A token regenerates itself and the tokens that it made, and no others. Use that token, or the portal.",
    ),
    "apps-closed": (403, "Only an administrator registers apps at this portal."),
    "token-ended": (409, "The token has expired or was revoked and cannot be changed any more."),
    "quota-reached": (409, "The account has as many live tokens or apps as one may have. Remove some first."),
    "no-secret": (409, "The app is public and has no secret to rotate."),
    "bad-idempotency-key": (400, "Use 1 to 255 printable ASCII characters without spaces."),
    "idempotency-key-reused": (422, "The key came before with another request. Use a new one for each thing."),
    "made-before": (
        409,
        (
            "This was carried out before, and its answer held a credential, which is told once. “made” is its id:"
            " end that one and use a new key."
        ),
    ),
    "malformed-request": (400, "Something in the request cannot be read, such as broken percent-encoding."),
    "wrong-method": (405, "The address does not take this method; “Allow” names those that it takes."),
    "too-large": (413, "The body is larger than any call takes."),
    "address-too-long": (414, "Path and query are longer than any call takes."),
    "headers-too-large": (431, "The headers are larger than any call needs."),
    "not-signed": (
        403,
        "What a secret scanner sends is signed over the body as it is sent, with a key that is published now.",
    ),
    "too-often": (429, "Wait as many seconds as “Retry-After” says."),
    "server-fault": (500, "A mistake on our side. Tell the operator the “request_id”."),
    "unavailable": (503, "The database cannot be reached just now. Try again after “Retry-After”."),
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
    """What to do about an error of OAuth, a kind of problem, or a reason; empty for one that nobody knows."""
    if error in PROBLEMS:
        return PROBLEMS[error][1]
    advised: dict[str, str] = OAUTH_ERRORS | {str(reason): text for reason, text in CALLS.items()}
    return advised.get(error, "")

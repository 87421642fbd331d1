"""The refusals that a call can have, as the OpenAPI document tells of them, with real examples."""

from typing import Any

from api.kit import challenges, problems
from api.kit.describe import Operation, Schema, maybe, text, texts
from api.kit.problems import Problem
from latchkey import settings

REQUEST_ID = "4029e1191ca5c729"

PROBLEM: Schema = {
    "type": "object",
    "description": "A refusal (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": text("Names the kind of refusal.", format="uri-reference"),
        "title": text("The kind in a few words."),
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": text("What is wrong here, and what to do."),
        "request_id": text("The same as X-Request-Id. Name it when you ask for help."),
        "scope": text("403: the scopes that are missing."),
        "needed": text("403: all scopes that the call needs."),
        "held": text("403: the scopes that the token has."),
        "fix_url": text("401 and 403: the page where it can be mended.", format="uri"),
        "errors": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "422: one line for each wrong field or parameter.",
        },
        "made": maybe(text("409: the id of what the request made when it came before.")),
        "violated-policies": texts("429: the limits that were met."),
    },
}

_HEADERS = {
    401: ("WWW-Authenticate", "The challenge (RFC 6750 §3)."),
    403: ("WWW-Authenticate", "The challenge, with all scopes that the call needs (RFC 6750 §3)."),
    429: ("Retry-After", "In how many seconds the next call is heard."),
    503: ("Retry-After", "In how many seconds to try again."),
}


def _missing_scope() -> Problem:
    fix_url = f"{settings.current().base_url}/tokens/new?scopes=account:write"
    return Problem(
        403,
        "insufficient-scope",
        "The token lacks a scope",
        "The token lacks account:write (“Change your name”). It has account:read (“See your name and e-mail "
        "address”). Add the scope to the token, or make another token, at the address in fix_url.",
        scope="account:write",
        needed="account:write",
        held="account:read",
        fix_url=fix_url,
    )


def _examples() -> dict[int, tuple[str, Problem]]:
    """What each status means, and a problem that has it."""
    return {
        400: ("The request cannot be read.", problems.not_json()),
        401: ("No token, or one that is unknown, has expired or was revoked.", challenges.no_credential()),
        403: ("The token may not do this, or not for this user.", _missing_scope()),
        404: ("There is no such thing, or it is somebody else's.", problems.not_found()),
        409: ("Its present state does not allow it, or it was done before.", problems.made_before("tok_…")),
        413: (
            "The body is too large.",
            Problem(413, "too-large", "That is too much", "What was sent is larger than this page takes."),
        ),
        414: (
            "The address is too long.",
            Problem(414, "address-too-long", "This address is too long", "Shorten the address and try again."),
        ),
        415: ("The body is not JSON.", problems.wrong_media_type()),
        422: (
            "Some fields or parameters are wrong.",
            problems.wrong_fields({"limit": "Write a number from 1 to 100."}),
        ),
        429: ("Too many calls.", problems.too_often(42, policy="token")),
        500: ("A fault of ours.", Problem(500, "server-fault", "Something broke on our side", "Try again.")),
        503: (
            "The database cannot be reached just now.",
            Problem(503, "unavailable", "Back in a moment", "Try again."),
        ),
    }


def name(status: int) -> str:
    """Under which name a status stands in the document's components."""
    return f"Refusal{status}"


def components() -> dict[str, Any]:
    """Every refusal as a response of the document."""
    found = {}
    for status, (about, example) in _examples().items():
        media = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problems.body(example, REQUEST_ID)}
        found[name(status)] = {"description": about, "content": {problems.MEDIA_TYPE: media}}
        if status in _HEADERS:
            header, meaning = _HEADERS[status]
            schema = {"type": "string"}
            found[name(status)]["headers"] = {header: {"description": meaning, "schema": schema}}
    return found


def of(operation: Operation, *, public: bool) -> list[int]:
    """The refusals that a call can have."""
    places = {parameter.place for parameter in operation.parameters}
    able = {414, 500, 503, *operation.also}
    if not public:
        able |= {400, 401, 403, 429}
    if "path" in places:
        able |= {404}
    if "query" in places:
        able |= {422}
    if operation.body is not None:
        able |= {400, 413, 415, 422}
    return sorted(able)

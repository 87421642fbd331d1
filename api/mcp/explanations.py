"""Why requests were refused, from what was kept of them: the reason in words, and what to do."""

from typing import Any

from api.apps import APP_ID, own_app
from api.kit import answers, auth, problems
from api.kit.describe import Operation, Parameter, Shape, describe, text
from api.token_shapes import TOKEN_ID, own
from latchkey.journal import advice, refusals
from latchkey.journal.calls import refused_calls
from latchkey.journal.refusals import Refusal
from web.calls import Call, Reply

_EXPLAINED = Shape(
    "ExplainedRefusals",
    {"id": text("Whose."), "refusals": {"type": "array", "items": {"type": "object"}, "description": "The latest."}},
    {"id": "tok_01a2139af1fb000183aacc53ef39", "refusals": []},
)

UNKNOWN = (
    "Name the last part of the “type” of a problem, such as expired-token, or an OAuth error, such as invalid_grant."
)
_ADVICE = Shape(
    "Advice",
    {"error": text("The error."), "advice": text("What it means, and what to do.")},
    {"error": "invalid_target", "advice": "…"},
)
_ERROR = Parameter(
    "error",
    "query",
    "The “type” of a problem or its last part (expired-token), or an OAuth error (invalid_grant).",
    {"type": "string", "maxLength": 200},
)


def _shown(refusal: Refusal) -> dict[str, Any]:
    return {
        "at": answers.moment(refusal.at),
        "request": refusal.call or refusal.endpoint,
        "error": refusal.error,
        "reason": refusal.reason,
        "advice": advice.on(refusal.error),
        "times": refusal.times,
        "request_id": refusal.request_id or None,
    }


def _answer(whose: str, found: list[Refusal]) -> Reply:
    return answers.shown({"id": whose, "refusals": [_shown(one) for one in found]})


@auth.require_scope("tokens:read")
@describe(
    Operation(
        summary="Explain a token's refused calls",
        group="Tokens",
        answer="The latest refused calls.",
        shape=_EXPLAINED,
        parameters=(TOKEN_ID,),
    )
)
def explain_token(call: Call, token_id: str) -> Reply:
    """Of one of the user's developer tokens."""
    token = own(auth.user_of(call.bearer), token_id)
    return _answer(token.id, refused_calls.latest_of(token_id=token.id))


@auth.require_scope("apps:read")
@describe(
    Operation(
        summary="Explain an app's refused requests",
        group="OAuth apps",
        answer="The latest refused requests.",
        shape=_EXPLAINED,
        parameters=(APP_ID,),
    )
)
def explain_app(call: Call, app_id: str) -> Reply:
    """Of one of the user's apps: at the OAuth endpoints, and calls with its tokens, without those whose they were."""
    client = own_app(auth.user_of(call.bearer), app_id)
    found = [*refusals.list_for(client), *refused_calls.latest_of(client_id=client.id)]
    return _answer(client.id, sorted(found, key=lambda one: one.at, reverse=True))


@auth.public
@describe(
    Operation(
        summary="Explain an error",
        group="Tokens",
        answer="What it means, and what to do.",
        shape=_ADVICE,
        parameters=(_ERROR,),
    )
)
def explain_error(call: Call) -> Reply:
    """What a program was answered, by the word in it; nothing of it is kept."""
    # A problem's type is an address that ends in its kind.
    error = call.query.get("error", "").rpartition("#problem-")[2].strip()
    said = advice.on(error)
    if not said:
        raise problems.wrong_fields({"error": UNKNOWN})
    return answers.shown({"error": error, "advice": said})

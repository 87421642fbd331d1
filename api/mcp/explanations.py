"""Why requests were refused, from what was kept of them: the reason in words, and what to do."""

from typing import Any

from api.apps import APP_ID, own_app
from api.kit import answers, auth
from api.kit.describe import Operation, Shape, describe, text
from api.token_shapes import TOKEN_ID, own
from latchkey.journal import advice, refusals
from latchkey.journal.refusals import Refusal
from web.calls import Call, Reply

_EXPLAINED = Shape(
    "ExplainedRefusals",
    {"id": text("Whose."), "refusals": {"type": "array", "items": {"type": "object"}, "description": "The latest."}},
    {"id": "tok_01a2139af1fb000183aacc53ef39", "refusals": []},
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
    return _answer(token.id, refusals.calls_of(token_id=token.id))


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
    found = [*refusals.list_for(client), *refusals.calls_of(client_id=client.id)]
    return _answer(client.id, sorted(found, key=lambda one: one.at, reverse=True))

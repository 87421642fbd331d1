"""GET /v1/token: what the presented token is."""

from typing import Any

from api.kit import answers, auth
from api.kit.blueprint import blueprint
from api.kit.describe import Operation, Shape, describe, maybe, moment, nested, text, texts
from latchkey import scopes, tokens
from latchkey.tokens.access import Bearer
from web import ahead, calls
from web.calls import Call, Reply

APP_NAME = Shape(
    "AppName",
    {"id": text("The app's id, which is its client_id."), "name": text("What the app is called.")},
    {"id": "app_01a2139af1fb0002c5d1f07a9b3e", "name": "Fieldnotes"},
)
PRESENTED = Shape(
    "PresentedToken",
    {
        "id": text("Never changes, not even when the token is regenerated."),
        "kind": text("`dev`: a developer token; `oat`: an app's access token.", enum=["dev", "oat"]),
        "description": maybe(text("What its user calls a developer token.")),
        "app": maybe(nested(APP_NAME)),
        "user_id": maybe(text("For whom it acts; null for an app that acts as itself.")),
        "parent_id": maybe(text("The token that made it, and with which it ends.")),
        "replaces": maybe(text("The former string of a developer token, while it works beside this one.")),
        "allowed_addresses": texts("The address ranges that it works from; empty for anywhere."),
        "last4": text("Its last four characters."),
        "scopes": texts("What it may do."),
        "created_at": moment("When it was made."),
        "expires_at": maybe(moment("When it ends; null for never.")),
    },
    {
        "id": "tok_01a2139af1fb000183aacc53ef39",
        "kind": "dev",
        "description": "Deploy script",
        "app": None,
        "user_id": "usr_01a2139af1f70000929f0f289854",
        "parent_id": None,
        "replaces": None,
        "allowed_addresses": [],
        "last4": "7Hd2",
        "scopes": ["account:read", "tokens:read"],
        "created_at": "2026-11-23T14:41:07.323933Z",
        "expires_at": "2027-02-21T14:41:07.321343Z",
    },
)


def record(caller: Bearer) -> dict[str, Any]:
    """The token that a call came with, from the facts that the guard read."""
    app = None if caller.client_id is None else {"id": caller.app_id, "name": caller.client_name}
    return {
        "id": caller.token_id,
        "kind": caller.kind,
        "description": caller.description,
        "app": app,
        "user_id": caller.user_id,
        "parent_id": caller.parent_id,
        "replaces": tokens.live_former(caller.replaces_id) if caller.replaces_id else None,
        "allowed_addresses": (caller.allowed_addresses or "").split(),
        "last4": caller.last4,
        "scopes": scopes.serialize(caller.scopes).split(),
        "created_at": answers.kept(caller.created),
        "expires_at": answers.kept(caller.expires),
    }


@blueprint.get("/v1/token")
@auth.require_scope()
@calls.at_arrival
@ahead.foreseen(ahead.bearer)
@describe(
    Operation(
        summary="Show the presented token",
        group="Tokens",
        about="What the token is that this very call comes with. Any live token may ask.",
        answer="The token, never its text.",
        shape=PRESENTED,
    )
)
def show_token(call: Call) -> Reply:
    """The token that this call came with."""
    return answers.shown(record(call.bearer))

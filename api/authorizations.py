"""/v1/authorizations: the apps that act for a user, and taking that back."""

from typing import Any

from api.kit import answers, auth, paging, problems
from api.kit.blueprint import blueprint
from api.kit.describe import CURSOR, LIMIT, Operation, Shape, describe, identifier, maybe, moment, nested, text, texts
from latchkey import grants, notices, scopes
from latchkey.grants import Authorization
from latchkey.store.session import db
from web.calls import Call, Reply

_APP = Shape(
    "AuthorizedApp",
    {
        "id": text("Its OAuth client_id."),
        "name": text("What it is called."),
        "homepage": text("An https address, or empty."),
    },
    {
        "id": "app_01a2139af1fb0002c5d1f07a9b3e",
        "name": "Fieldnotes",
        "homepage": "https://fieldnotes.example.com",
    },
)
AUTHORIZATION = Shape(
    "Authorization",
    {
        "id": text("Never changes."),
        "app": nested(_APP),
        "scopes": texts("What the user lets the app do."),
        "created_at": moment("When the user first agreed."),
        "updated_at": moment("When the user last agreed."),
        "last_used_at": maybe(moment("When the app last called, to the minute; null for never.")),
        "expires_at": maybe(moment("When it is over by itself; null: the user takes it back.")),
    },
    {
        "id": "ath_01a2139af1fb0004d2e3f4051627",
        "app": dict(_APP.example),
        "scopes": ["account:read"],
        "created_at": "2026-11-23T14:45:30.118201Z",
        "updated_at": "2026-11-23T14:45:30.118201Z",
        "last_used_at": "2026-11-25T09:12:44.018264Z",
        "expires_at": None,
    },
)


def _shown(authorization: Authorization) -> dict[str, Any]:
    client = authorization.client
    return {
        "id": authorization.id,
        "app": {"id": client.client_id, "name": client.name, "homepage": client.homepage},
        "scopes": scopes.serialize(authorization.scopes).split(),
        "created_at": answers.moment(authorization.created_at),
        "updated_at": answers.moment(authorization.updated_at),
        "last_used_at": answers.moment(authorization.last_used_at),
        "expires_at": answers.moment(authorization.expires_at),
    }


@blueprint.get("/v1/authorizations")
@auth.require_scope("authorizations:read")
@describe(
    Operation(
        summary="List authorized apps",
        group="Authorized applications",
        answer="The apps that may act for the user.",
        shape=AUTHORIZATION,
        listed=True,
        parameters=(LIMIT, CURSOR),
    )
)
def list_authorizations(call: Call) -> Reply:
    """A page of them."""
    user, asked = auth.user_of(call.bearer), paging.asked("ath")
    return paging.page(grants.page_of(user, asked.after, asked.limit + 1), asked, _shown)


@blueprint.delete("/v1/authorizations/<authorization_id>")
@auth.require_scope("authorizations:write")
@describe(
    Operation(
        summary="Withdraw an app's access",
        group="Authorized applications",
        about="Every token of the app for this user ends at once. Safe to repeat.",
        status=204,
        answer="The app no longer acts for the user.",
        parameters=(
            identifier("authorization_id", "one of the user's authorizations", str(AUTHORIZATION.example["id"])),
        ),
    )
)
def withdraw_authorization(call: Call, authorization_id: str) -> Reply:
    """Take back what a user let an app do."""
    user = auth.user_of(call.bearer)
    found = grants.get_for(user, authorization_id, withdrawn=True) if paging.is_id(authorization_id) else None
    if found is None:
        raise problems.not_found()
    user = auth.writer(call.bearer).user
    if grants.withdraw(found):
        notices.authorization_withdrawn(user, found.client, by_user=call.bearer.client_id is None)
    db.commit()
    return answers.empty(204)

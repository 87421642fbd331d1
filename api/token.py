"""GET /v1/token: what the presented token is."""

from flask import Response

from api import answers, auth
from api.blueprint import blueprint
from latchkey.access import Bearer


@blueprint.get("/v1/token")
@auth.require_scope()
def show_token(caller: Bearer) -> Response:
    """The token that this call came with."""
    app = None if caller.client_id is None else {"id": caller.client_id, "name": caller.client_name}
    return answers.shown(
        {
            "id": caller.token_id,
            "kind": caller.kind,
            "description": caller.description,
            "app": app,
            "user_id": caller.user_id,
            "parent_id": caller.parent_id,
            "last4": caller.last4,
            "scopes": caller.scope.split(),
            "created_at": answers.moment(caller.created_at),
            "expires_at": answers.moment(caller.expires_at),
        }
    )

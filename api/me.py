"""GET and PATCH /v1/me: the user for whom a token acts."""

from flask import Response

from api import answers, auth, problems
from api.blueprint import blueprint
from latchkey.access import Bearer


@blueprint.get("/v1/me")
@auth.require_scope("account:read")
def show_me(caller: Bearer) -> Response:
    """The user's record."""
    if caller.user_id is None:
        raise problems.no_user()
    return answers.shown(
        {
            "id": caller.user_id,
            "email": caller.email,
            "email_verified": bool(caller.email_verified),
            "name": caller.name,
            "created_at": answers.moment(caller.user_created_at),
            "updated_at": answers.moment(caller.user_updated_at),
        }
    )

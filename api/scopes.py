"""GET /v1/scopes: the catalogue."""

from flask import Response

from api import answers
from api.auth import public
from api.blueprint import blueprint
from latchkey import scopes
from latchkey.scopes import Scope


def _entry(scope: Scope) -> dict[str, str | bool]:
    return {
        "name": scope.name,
        "title": scope.title,
        "description": scope.description,
        "group": scope.group,
        "sensitive": scope.sensitive,
        "access": scope.access,
    }


@blueprint.get("/v1/scopes")
@public
def list_scopes() -> Response:
    """Every scope there is, in the order in which people see them."""
    data = [_entry(scope) for scope in scopes.catalogue().values()]
    return answers.shown({"data": data, "next_cursor": None}, answers.PublicAnswer)

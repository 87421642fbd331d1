"""GET /v1/scopes: the catalogue."""

from api.kit import answers
from api.kit.auth import public
from api.kit.blueprint import blueprint
from api.kit.describe import Operation, Shape, describe, flag, text
from latchkey.naming import listed
from latchkey.resources import Resource
from latchkey.scopes import Scope
from web.calls import Call, Reply

SCOPE = Shape(
    "Scope",
    {
        "name": text("What tokens and requests name it by."),
        "title": text("What it allows, in the words of the consent screen."),
        "description": text("What it allows, for developers."),
        "group": text("Under which heading it stands."),
        "sensitive": flag("Whether it takes special care."),
        "access": text("Whether it only looks.", enum=["read", "write"]),
        "default": flag("Whether any app may ask for it, so that discovery offers it."),
        "resource": text("The name of the API that it belongs to; `account` is the one here."),
    },
    {
        "name": "account:read",
        "title": "See your name and e-mail address",
        "description": "Read the user's record.",
        "group": "Account",
        "sensitive": False,
        "access": "read",
        "default": True,
        "resource": "account",
    },
)


def _shown(resource: Resource, scope: Scope) -> dict[str, str | bool]:
    return {
        "name": scope.name,
        "title": scope.title,
        "description": scope.description,
        "group": scope.group,
        "sensitive": scope.sensitive,
        "access": scope.access,
        "default": scope.default,
        "resource": resource.name,
    }


@blueprint.get("/v1/scopes")
@public
@describe(
    Operation(
        summary="List scopes",
        group="Scopes",
        about="Needs no token. All of them come at once: `next_cursor` is always null.",
        answer="Every scope there is, those of one API and group together, in the order in which people see them.",
        shape=SCOPE,
        listed=True,
    )
)
def list_scopes(_call: Call) -> Reply:
    """Every scope, an API after the other."""
    parts = listed.by_resource()
    data = [_shown(of, scope) for of, groups in parts for members in groups.values() for scope in members]
    return answers.shown({"data": data, "next_cursor": None}, answers.PUBLIC)

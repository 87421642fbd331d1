"""GET /v1/openapi.json: OpenAPI 3.1, derived from the guarded views."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from flask import current_app

from api.kit import answers, refusals
from api.kit.auth import public
from api.kit.blueprint import blueprint
from api.kit.describe import Operation, Parameter, Schema, Shape, describe, maybe, text
from latchkey import scopes, settings
from web.calls import Reply

VERSION = "1.0.0"
ABOUT = (
    "What a person can do in the portal, for programs. Send a developer token or an app's access token as "
    "`Authorization: Bearer …`. Refusals are problem documents (RFC 9457)."
)
GROUPS = ("Account", "Tokens", "OAuth apps", "Authorized applications", "Activity", "Scopes", "Leaked credentials")
ANY_TOKEN: frozenset[str] = frozenset()


class Call(NamedTuple):
    """A view under one path and method."""

    path: str
    method: str
    view: Callable[..., Any]

    @property
    def operation(self) -> Operation:
        """What the view says about itself; one that says nothing is described by its docstring."""
        summary = (self.view.__doc__ or self.view.__name__).strip().partition("\n")[0]
        own: Operation | None = getattr(self.view, "operation", None)
        return own or Operation(summary=summary, group="More", answer="The answer.", parameters=self._path_parameters())

    @property
    def public(self) -> bool:
        """Whether no token is needed."""
        return getattr(self.view, "public", False)

    @property
    def scopes(self) -> list[str]:
        """The scopes that a token needs, in the catalogue's order."""
        return scopes.serialize(getattr(self.view, "scopes", ANY_TOKEN)).split()

    def _path_parameters(self) -> tuple[Parameter, ...]:
        names = re.findall(r"{(\w+)}", self.path)
        return tuple(Parameter(name, "path", "An id.", {"type": "string"}, "1") for name in names)


def calls() -> list[Call]:
    """Every call of the API that some token can make, in the order of the reference."""
    found = [
        Call(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower(), current_app.view_functions[rule.endpoint])
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{blueprint.name}.")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    left_out = ("closed", "undescribed")
    declared = [call for call in found if not any(hasattr(call.view, mark) for mark in left_out)]
    return sorted(declared, key=lambda call: (*_place(call), call.path, METHODS.index(call.method)))


METHODS = ("get", "post", "patch", "put", "delete")


def _place(call: Call) -> tuple[int, str]:
    group = call.operation.group
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), group)


def document() -> dict[str, Any]:
    """The description of every call that is registered (OpenAPI 3.1)."""
    described = calls()
    paths: dict[str, Any] = {}
    for call in described:
        paths.setdefault(call.path, {})[call.method] = _described(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{settings.current().brand_name} API", "version": VERSION, "description": ABOUT},
        "servers": [{"url": settings.current().base_url}],
        "tags": [{"name": name} for name in dict.fromkeys(call.operation.group for call in described)],
        "paths": paths,
        "components": {
            "schemas": dict(_schemas(described)),
            "responses": refusals.components(),
            "securitySchemes": _security_schemes(),
        },
    }


def _described(call: Call) -> dict[str, Any]:
    operation = call.operation
    said: dict[str, Any] = {
        "operationId": call.view.__name__,
        "summary": operation.summary,
        "tags": [operation.group],
        "security": [] if call.public else [{"oauth2": call.scopes}, {"developerToken": []}],
        "responses": _answers(call),
    }
    if operation.about:
        said["description"] = operation.about
    if operation.parameters:
        said["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        media = {"schema": _ref(operation.body.title), "example": operation.body.example()}
        said["requestBody"] = {"required": True, "content": {"application/json": media}}
    return said


def _parameter(parameter: Parameter) -> dict[str, Any]:
    said = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.about,
        "schema": parameter.schema,
    }
    return said if parameter.example is None else {**said, "example": parameter.example}


def _answers(call: Call) -> dict[str, Any]:
    operation = call.operation
    good: dict[str, Any] = {"description": operation.answer, "headers": dict(_headers(call))}
    if operation.shape is not None:
        name, example = operation.shape.name, dict[str, Any](operation.shape.example)
        if operation.listed:
            name, example = f"{name}List", {"data": [example], "next_cursor": None}
        media: dict[str, Any] = {"schema": _ref(name), "example": example}
        if operation.several:
            media = {"schema": {"type": "array", "items": _ref(name)}, "example": [example]}
        good["content"] = {"application/json": media}
    said = {str(operation.status): good}
    if call.method == "get":
        said["304"] = {"description": "Nothing changed since the answer whose ETag came as If-None-Match."}
    for status in refusals.of(operation, public=call.public):
        said[str(status)] = {"$ref": f"#/components/responses/{refusals.name(status)}"}
    return said


def _headers(call: Call) -> Iterator[tuple[str, Any]]:
    def header(about: str) -> dict[str, Any]:
        return {"description": about, "schema": {"type": "string"}}

    yield "X-Request-Id", header("Names this request. Name it when you ask for help.")
    if call.method == "get":
        yield "ETag", header("Changes with the answer; send it back as If-None-Match.")
    if call.operation.status == 201:
        yield "Location", header("Where what was made can be read.")
    if not call.public:
        yield "RateLimit", header("What is left of the limit, if there is one: r calls, until t seconds from now.")
        yield "RateLimit-Policy", header("The limit, if there is one: q calls in w seconds.")


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(described: list[Call]) -> Iterator[tuple[str, Schema]]:
    yield "Problem", refusals.PROBLEM
    for call in described:
        operation = call.operation
        if operation.body is not None:
            yield operation.body.title, operation.body.schema()
        if operation.shape is not None:
            yield operation.shape.name, _schema(operation.shape)
            if operation.listed:
                yield f"{operation.shape.name}List", _list_of(operation.shape.name)


def _schema(shape: Shape) -> Schema:
    return {
        "type": "object",
        "required": list(shape.properties),
        "properties": dict(shape.properties),
        "examples": [dict(shape.example)],
    }


def _list_of(name: str) -> Schema:
    cursor = maybe(text("The cursor of the next page; null on the last."))
    return {
        "type": "object",
        "required": ["data", "next_cursor"],
        "properties": {"data": {"type": "array", "items": _ref(name)}, "next_cursor": cursor},
    }


def _security_schemes() -> dict[str, Any]:
    known = {scope.name: scope.title for scope in scopes.catalogue().values()}
    base_url = settings.current().base_url
    code = {"authorizationUrl": f"{base_url}/oauth/authorize", "tokenUrl": f"{base_url}/oauth/token", "scopes": known}
    return {
        "developerToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that a user made in the portal. It needs the same scopes.",
        },
        "oauth2": {"type": "oauth2", "flows": {"authorizationCode": {**code, "refreshUrl": f"{base_url}/oauth/token"}}},
    }


@blueprint.get("/v1/openapi.json")
@public
@describe(
    Operation(
        summary="Show this description",
        group="Description",
        about="Needs no token.",
        answer="The API as OpenAPI 3.1.",
        shape=Shape("Description", {"openapi": text("The version of OpenAPI.")}, {"openapi": "3.1.0"}),
    )
)
def show_openapi() -> Reply:
    return answers.shown(document(), answers.PUBLIC)

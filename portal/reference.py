"""The API reference, made from the OpenAPI document that the API publishes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_login import current_user

from latchkey import clients, grants, settings, tokens

METHODS = ("get", "post", "patch", "put", "delete")
# The reader's own account takes the place of these in the examples.
SAMPLE_NAME, SAMPLE_EMAIL, SAMPLE_APP = "Ada Lindqvist", "ada@example.com", "Fieldnotes"


@dataclass(frozen=True)
class Answer:
    """One status that a call can have."""

    status: str
    description: str
    example: str


@dataclass(frozen=True)
class Call:
    """One call of the API, as a reader needs it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    public: bool
    scopes: tuple[str, ...]
    parameters: tuple[Mapping[str, Any], ...]
    fields: tuple[tuple[str, str, bool, str], ...]
    body: str
    answers: tuple[Answer, ...]
    group: str

    @property
    def curl(self) -> str:
        """A line to paste; the token stands in a variable."""
        lines = ["curl"]
        if self.method != "GET":
            lines.append(f"-X {self.method}")
        if not self.public:
            lines.append('-H "Authorization: Bearer $LATCHKEY_TOKEN"')
        if self.body:
            lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(json.loads(self.body))}'"]
        return " \\\n  ".join([" ".join(lines[:1]), *lines[1:], settings.current().base_url + self.path])


def document() -> dict[str, Any]:
    """The OpenAPI document, asked of the view that publishes it."""
    answer = current_app.ensure_sync(current_app.view_functions["api.show_openapi"])()
    return dict(json.loads(current_app.make_response(answer).get_data()))


def calls(openapi: dict[str, Any], *, personal: bool = False) -> list[Call]:
    """Every call, in the document's order; with the reader's own ids and names where they are signed in."""
    own = _own() if personal else {}
    return list(_calls(openapi, own))


def _calls(openapi: dict[str, Any], own: Mapping[str, str]) -> Iterator[Call]:
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if operation := operations.get(method):
                shared = operations.get("parameters", [])
                yield _call(openapi, path, method, operation, shared, own)


def _call(
    openapi: dict[str, Any],
    path: str,
    method: str,
    operation: dict[str, Any],
    shared: list[Any],
    own: Mapping[str, str],
) -> Call:
    security = operation.get("security", openapi.get("security", []))
    scopes = tuple(scope for requirement in security for names in requirement.values() for scope in names)
    parameters = [_resolved(openapi, entry) for entry in [*shared, *operation.get("parameters", [])]]
    media = next(iter(_resolved(openapi, operation.get("requestBody", {})).get("content", {}).values()), {})
    answers = [
        _answer(openapi, status, _resolved(openapi, entry), own) for status, entry in operation["responses"].items()
    ]
    return Call(
        id=operation.get("operationId", f"{method}-{re.sub(r'[^a-z]+', '-', path.strip('/'))}"),
        method=method.upper(),
        path=_filled(path, parameters, own),
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        public=not security or {} in security,
        scopes=scopes,
        parameters=tuple(parameters),
        fields=tuple(_fields(openapi, media.get("schema", {}))),
        body=_personal(_example(openapi, media), own),
        answers=tuple(answers),
        group=next(iter(operation.get("tags", [])), "API"),
    )


def _resolved(openapi: dict[str, Any], entry: Any) -> Any:
    """The entry itself, or what its `$ref` names."""
    while isinstance(entry, dict) and "$ref" in entry:
        target: Any = openapi
        for step in entry["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        entry = target
    return entry


def _answer(openapi: dict[str, Any], status: str, entry: dict[str, Any], own: Mapping[str, str]) -> Answer:
    media = next(iter(entry.get("content", {}).values()), {})
    return Answer(status, entry.get("description", ""), _personal(_example(openapi, media), own))


def _example(openapi: dict[str, Any], media: dict[str, Any]) -> str:
    example = media.get("example")
    if example is None and media.get("examples"):
        example = _resolved(openapi, next(iter(media["examples"].values()))).get("value")
    if example is None:
        schema = _resolved(openapi, media.get("schema", {}))
        example = next(iter(schema.get("examples", [])), None)
    return "" if example is None else json.dumps(example, indent=2, ensure_ascii=False)


def _fields(openapi: dict[str, Any], schema: Any) -> Iterator[tuple[str, str, bool, str]]:
    """Name, type, whether it must be there, and what it says, for each field of a body."""
    schema = _resolved(openapi, schema)
    for name, entry in schema.get("properties", {}).items():
        field = _resolved(openapi, entry)
        kind = field.get("type", "")
        shown = " or ".join(kind) if isinstance(kind, list) else kind
        yield name, shown, name in schema.get("required", []), field.get("description", "")


def _filled(path: str, parameters: list[Any], own: Mapping[str, str]) -> str:
    """The path as it is written in the document; a reader who is signed in sees an own id."""
    for parameter in parameters:
        example = str(parameter.get("example", ""))
        mine = own.get(example[:4])
        if parameter.get("in") == "path" and mine:
            path = path.replace("{" + parameter["name"] + "}", mine)
    return path


def _personal(text: str, own: Mapping[str, str]) -> str:
    for sample, mine in own.items():
        if len(sample) == 4:
            text = re.sub(rf"\b{sample}[0-9a-f]{{28}}\b", mine, text)
        else:
            text = text.replace(sample, json.dumps(mine)[1:-1])
    return text


def _own() -> dict[str, str]:
    """What takes the place of the samples: ids by their first four characters, names by themselves."""
    user = current_user.user
    own = {SAMPLE_NAME: user.name, SAMPLE_EMAIL: user.email, "usr_": user.id}
    if mine := tokens.page(user, limit=1).tokens:
        own["tok_"] = mine[0].id
    if apps := clients.list_for(user):
        own |= {"app_": apps[0].id, SAMPLE_APP: apps[0].name}
    if allowed := grants.list_for(user):
        own["ath_"] = allowed[0].id
    return own

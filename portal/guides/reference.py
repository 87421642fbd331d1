"""The API reference, made from the OpenAPI document that the API publishes."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app
from flask_login import current_user
from markupsafe import Markup, escape

from latchkey import clients, grants, ids, settings, tokens
from portal.guides.kept import kept

# Longer bodies stand on several lines.
SHORT = 60
OPENAPI = "latchkey.openapi"
METHODS = ("get", "post", "patch", "put", "delete")
# The reader's own account takes the place of these in the examples.
SAMPLE_NAME, SAMPLE_EMAIL, SAMPLE_APP = "Ada Lindqvist", "ada@example.com", "Fieldnotes"


@dataclass(frozen=True)
class Answer:
    """One status that a call can have."""

    status: str
    description: str
    example: str

    @property
    def refusal(self) -> bool:
        """Whether it is a problem document; those are explained once for all calls."""
        return self.status >= "400"


@dataclass(frozen=True)
class Call:
    """One call of the API, as a reader needs it."""

    id: str
    method: str
    template: str
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
        asked = "curl" if self.method == "GET" else f"curl -X {self.method}"
        lines = [f"{asked} {settings.current().base_url}{self.path}"]
        if not self.public:
            lines.append('-H "Authorization: Bearer $TOKEN"')
        if self.body:
            short = json.dumps(json.loads(self.body), ensure_ascii=False)
            # Quoted for a shell: a name of the reader's may hold an apostrophe.
            body = shlex.quote(short if len(short) <= SHORT else self.body)
            lines += ['-H "Content-Type: application/json"', f"-d {body}"]
        return " \\\n  ".join(lines)


def coded(text: str) -> Markup:
    """A description as HTML; of CommonMark, in which OpenAPI has them, they use inline code alone."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def describe(app: Flask, document: Callable[[], dict[str, Any]]) -> None:
    """Make the reference of the OpenAPI document that this gives; of the API itself the portal knows nothing."""
    app.extensions[OPENAPI] = document


def document() -> dict[str, Any]:
    given: Callable[[], dict[str, Any]] = current_app.extensions[OPENAPI]
    return kept("openapi", given)


def calls(*, personal: bool = False) -> list[Call]:
    """Every call, in the document's order; with the reader's own ids and names where they are signed in."""
    if personal:
        return list(_Document(document(), _own()).calls())
    return kept("calls", lambda: list(_Document(document(), {}).calls()))


class _Document:
    """The OpenAPI document, read for people: `$ref`s followed, samples replaced by the reader's own."""

    def __init__(self, openapi: dict[str, Any], own: Mapping[str, str]) -> None:
        self._openapi, self._own = openapi, own

    def calls(self) -> Iterator[Call]:
        for path, operations in self._openapi["paths"].items():
            shared = operations.get("parameters", [])
            for method in METHODS:
                if operation := operations.get(method):
                    yield self._call(path, method, operation, shared)

    def _call(self, path: str, method: str, operation: dict[str, Any], shared: list[Any]) -> Call:
        security = operation.get("security", self._openapi.get("security", []))
        scopes = tuple(scope for requirement in security for names in requirement.values() for scope in names)
        parameters = [self._resolved(entry) for entry in [*shared, *operation.get("parameters", [])]]
        media = self._media(operation.get("requestBody", {}))
        return Call(
            id=operation.get("operationId", f"{method}-{re.sub(r'[^a-z]+', '-', path.strip('/'))}"),
            method=method.upper(),
            template=path,
            path=self._filled(path, parameters),
            summary=operation.get("summary", ""),
            description=operation.get("description", ""),
            public=not security or {} in security,
            scopes=scopes,
            parameters=tuple(parameters),
            fields=tuple(self._fields(media.get("schema", {}))),
            body=self._example(media),
            answers=tuple(self._answer(status, entry) for status, entry in operation["responses"].items()),
            group=next(iter(operation.get("tags", [])), "API"),
        )

    def _resolved(self, entry: Any) -> Any:
        while isinstance(entry, dict) and "$ref" in entry:
            target: Any = self._openapi
            for step in entry["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            entry = target
        return entry

    def _media(self, entry: Any) -> dict[str, Any]:
        content: dict[str, dict[str, Any]] = self._resolved(entry).get("content", {})
        return next(iter(content.values()), {})

    def _answer(self, status: str, entry: Any) -> Answer:
        return Answer(status, self._resolved(entry).get("description", ""), self._example(self._media(entry)))

    def _example(self, media: dict[str, Any]) -> str:
        example = media.get("example")
        if example is None and media.get("examples"):
            example = self._resolved(next(iter(media["examples"].values()))).get("value")
        if example is None:
            example = next(iter(self._resolved(media.get("schema", {})).get("examples", [])), None)
        return "" if example is None else self._personal(json.dumps(example, indent=2, ensure_ascii=False))

    def _fields(self, schema: Any) -> Iterator[tuple[str, str, bool, str]]:
        """Name, type, whether it must be there, and what it says, for each field of a body."""
        schema = self._resolved(schema)
        for name, entry in schema.get("properties", {}).items():
            field = self._resolved(entry)
            kind = field.get("type", "")
            shown = " or ".join(kind) if isinstance(kind, list) else kind
            yield name, shown, name in schema.get("required", []), field.get("description", "")

    def _filled(self, path: str, parameters: list[Any]) -> str:
        """The path, with an own id in it for a reader who is signed in."""
        for parameter in parameters:
            mine = self._own.get(str(parameter.get("example", ""))[:4])
            if parameter.get("in") == "path" and mine:
                path = path.replace("{" + parameter["name"] + "}", mine)
        return path

    def _personal(self, text: str) -> str:
        for sample, mine in self._own.items():
            if len(sample) == 4:
                text = re.sub(rf"\b{sample}{ids.DIGITS}\b", mine, text)
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

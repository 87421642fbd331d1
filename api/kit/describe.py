"""What a view says about itself for the OpenAPI document; its scopes are said by `auth.require_scope` alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from api.kit.bodies import Body
from latchkey import ids

View = TypeVar("View", bound=Callable[..., Any])
Schema = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A JSON object that is answered: its schema's name, the properties, all of them always there, and a real one."""

    name: str
    properties: Mapping[str, Schema]
    example: Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter of the path, the query or the headers."""

    name: str
    place: str
    about: str
    schema: Schema
    example: Any = None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call: what it does, takes and answers. `also` are refusals beside those that every call like it can have."""

    summary: str
    group: str
    about: str = ""
    status: int = 200
    answer: str
    shape: Shape | None = None
    listed: bool = False
    # The answer is an array of the shape, as somebody else's format has it.
    several: bool = False
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    also: tuple[int, ...] = field(default=())


def describe(operation: Operation) -> Callable[[View], View]:
    """Attach what a view says about itself; marks it `.operation`."""

    def mark(view: View) -> View:
        view.__dict__["operation"] = operation
        return view

    return mark


def text(about: str, **more: Any) -> Schema:
    """The schema of a text."""
    return {"type": "string", "description": about, **more}


def moment(about: str) -> Schema:
    """The schema of a moment in UTC."""
    return {"type": "string", "format": "date-time", "description": about}


def flag(about: str) -> Schema:
    """The schema of true or false."""
    return {"type": "boolean", "description": about}


def texts(about: str) -> Schema:
    """The schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": about}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def nested(shape: Shape) -> Schema:
    """The schema of an object inside another."""
    return {"type": "object", "required": list(shape.properties), "properties": dict(shape.properties)}


LIMIT = Parameter(
    "limit",
    "query",
    "How many to answer with, 1 to 100.",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    20,
)
CURSOR = Parameter(
    "cursor",
    "query",
    "`next_cursor` of the page before, unchanged.",
    {"type": "string", "pattern": f"^{ids.DIGITS}$"},
    "01a2139af1fb000183aacc53ef39",
)
REPEAT = Parameter(
    "Idempotency-Key",
    "header",
    "A text of your own for this one request. Sent again within 24 hours with the same key, it is carried out once.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)


def identifier(name: str, what: str, example: str) -> Parameter:
    """The id in a path."""
    return Parameter(name, "path", f"The id of {what}.", {"type": "string", "minLength": 1}, example)

"""Bodies of requests: JSON objects whose fields are known, each of the right kind."""

from dataclasses import replace
from itertools import islice
from typing import Any

from api.kit import problems
from api.kit.fields import Field, Wrong
from latchkey import fetching, texts
from web import calls

MOST_ERRORS = 20
LONGEST_NAME = 60


class Body:
    """What a call takes: a JSON object with these fields and no others (O-02). `title` is its schema's name.

    `never` is the schema of what the verb refuses although each field by itself is right.
    """

    never: dict[str, Any] | None = None

    def __init__(self, title: str, /, **fields: Field) -> None:
        self.title, self.fields = title, fields

    def optional(self, title: str, *without: str) -> "Body":
        """The same where only what is sent changes."""
        kept = {name: field for name, field in self.fields.items() if name not in without}
        return Body(title, **{name: replace(field, required=False) for name, field in kept.items()})

    def read(self) -> dict[str, Any]:
        """The fields that were sent, read. Raises `problems.Problem` with one line for each that is wrong."""
        sent = _object()
        unknown = islice((name for name in sent if name not in self.fields), MOST_ERRORS)
        errors = {texts.printable(name, LONGEST_NAME): "There is no such field here." for name in unknown}
        errors |= {
            name: "This field is needed." for name, field in self.fields.items() if field.required and name not in sent
        }
        found: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name in sent:
                try:
                    found[name] = field.read(sent[name])
                except Wrong as wrong:
                    errors[name] = str(wrong)
        if errors:
            raise problems.wrong_fields(dict(list(errors.items())[:MOST_ERRORS]))
        return found

    def schema(self) -> dict[str, Any]:
        """What the OpenAPI document says."""
        needed = [name for name, field in self.fields.items() if field.required]
        return {
            "type": "object",
            "additionalProperties": False,
            **({"required": needed} if needed else {}),
            "properties": {name: field.schema() for name, field in self.fields.items()},
            **({"not": self.never} if self.never else {}),
        }

    def example(self) -> dict[str, Any]:
        """A body that works."""
        return {name: field.example for name, field in self.fields.items() if field.example is not None}


def _object() -> dict[str, Any]:
    call = calls.current.get()
    if call.mimetype != "application/json" or (call.header("Content-Encoding") or "identity") != "identity":
        raise problems.wrong_media_type()
    try:
        return fetching.read_object(call.body)
    except fetching.NotAnObject:
        raise problems.not_json() from None

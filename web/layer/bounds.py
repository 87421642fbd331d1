"""How much of a request is looked at: its head, and the form in its body. All of it before anything else is done."""

from io import BytesIO
from typing import IO, TypeAlias
from wsgiref.types import WSGIEnvironment

from flask import Flask, Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

Parsed: TypeAlias = tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]

# Path and query; every page of ours needs less.
LONGEST_TARGET = 16 * 1024
HEAD_BYTES = 32 * 1024
# The whole body where a view does not say otherwise, and all fields of a form whatever files come with it.
FORM_BYTES = 64 * 1024
FORM_FIELDS = 500
# What stands around each header: a colon, a space, the end of the line.
AROUND = len(": \r\n")


def target_is_too_long(environ: WSGIEnvironment) -> bool:
    """Whether path and query are longer than any that leads somewhere."""
    return len(environ["PATH_INFO"]) + len(environ.get("QUERY_STRING", "")) > LONGEST_TARGET


def head_is_too_large(environ: WSGIEnvironment) -> bool:
    """Whether the headers are more than a browser or program of good faith sends (RFC 6585 §5)."""
    size = 0
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            size += len(name) + len(value) + AROUND
    return size > HEAD_BYTES


class BoundedForm(FormDataParser):
    """A form with bounded bytes and fields in either encoding; more is a 413."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Parsed:
        if mimetype == "application/x-www-form-urlencoded":
            body = stream.read(FORM_BYTES + 1)
            if len(body) > FORM_BYTES or body.count(b"&") >= FORM_FIELDS:
                raise RequestEntityTooLarge
            stream = BytesIO(body)
        parsed = super().parse(stream, mimetype, content_length, options)
        if sum(len(name) + len(value) for name, value in parsed[1].items(multi=True)) > FORM_BYTES:
            raise RequestEntityTooLarge
        return parsed


class BoundedRequest(Request):
    """A request whose form is a bounded one."""

    form_data_parser_class = BoundedForm


def register(app: Flask) -> None:
    """Bound every body; a view that takes more raises the limit for itself."""
    app.request_class = BoundedRequest
    app.config.update(MAX_CONTENT_LENGTH=FORM_BYTES, MAX_FORM_MEMORY_SIZE=FORM_BYTES, MAX_FORM_PARTS=FORM_FIELDS)

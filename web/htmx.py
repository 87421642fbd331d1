"""A whole page, or the part of it that a script asked for."""

import json

from flask import Response, make_response, render_template, request


def wants_partial() -> bool:
    """Whether HTMX asks for the part that it will swap; with `hx-select` it asks for the page and takes from it."""
    return "HX-Request" in request.headers and request.headers.get("HX-Request-Type") != "full"


def render(page: str, partial: str, status: int = 200, **context: object) -> Response:
    """The template `page`, or `partial` for a script, which is included by it: the markup exists once."""
    response = make_response(render_template(partial if wants_partial() else page, **context), status)
    # One address, two answers: a cache must not hand one to those who asked for the other.
    response.vary.update(("HX-Request", "HX-Request-Type"))
    return response


def announced(response: Response, text: str) -> Response:
    """The same part, and words that a screen reader says of it (WCAG 4.1.3); pages say what they are themselves."""
    if wants_partial():
        response.headers["HX-Trigger"] = json.dumps({"announce": {"value": text, "visible": False}})
    return response

"""How often a token may call: off until LATCHKEY_API_RATE_LIMIT is set."""

from flask import Response

from latchkey.access import Bearer


def count(_caller: Bearer) -> None:
    """Count one call."""


def shown(response: Response, _caller: Bearer) -> Response:
    """The answer with what is left."""
    return response

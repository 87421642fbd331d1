"""The blueprint that every view of this door hangs on."""

from flask import Blueprint, current_app, request

LONGEST_FORM = 2 * 1024 * 1024

blueprint = Blueprint("portal", __name__)


@blueprint.url_value_preprocessor
def allow_long_fields(_endpoint: str | None, _values: dict[str, object] | None) -> None:
    """People are told beside a field that it is too long, and lose nothing that they typed into the others."""
    request.max_content_length = request.max_form_memory_size = LONGEST_FORM


@blueprint.before_request
def protect() -> None:
    """Every change on a page needs a CSRF token (N-01)."""
    current_app.extensions["csrf"].protect()

"""The blueprint that every view of this door hangs on."""

from flask import Blueprint, current_app

blueprint = Blueprint("portal", __name__)


@blueprint.before_request
def protect() -> None:
    """Every change on a page needs a CSRF token (N-01)."""
    current_app.extensions["csrf"].protect()

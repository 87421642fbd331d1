"""The blueprint of the portal, on which every page is registered."""

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, current_app, request
from flask_login import current_user

LONGEST_PICTURE = 1024 * 1024
# A little more than that is told beside the field, so that whoever chose a large picture loses nothing else.
LONGEST_UPLOAD = 2 * LONGEST_PICTURE

View = TypeVar("View", bound=Callable[..., object])

blueprint = Blueprint("portal", __name__)


def takes_a_picture(view: View) -> View:
    """The view's form comes with a picture, so it may be larger than others. Marks the view."""
    view.__dict__["takes_a_picture"] = True
    return view


@blueprint.url_value_preprocessor
def allow_pictures(endpoint: str | None, _values: dict[str, object] | None) -> None:
    """A larger body, where a picture is expected, from people who are signed in."""
    view = current_app.view_functions.get(endpoint or "")
    if "takes_a_picture" in getattr(view, "__dict__", ()) and current_user.is_authenticated:
        request.max_content_length = LONGEST_UPLOAD

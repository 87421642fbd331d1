"""What is made once for everybody, until settings or scopes change; what caches keep of it, and who may read it."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, abort, current_app, request, session
from flask_login import current_user

from latchkey import scopes, settings
from portal.blueprint import blueprint

Made = TypeVar("Made")
SECONDS = 300
PREFIX = "portal.guide_"
# About protecting an API of one's own: for everybody, or administrators alone.
PATHS = ("/docs/your-api", "/docs/gateways")


def kept(name: str, make: Callable[[], Made]) -> Made:
    """What was made under this name, or is made now."""
    made: dict[str, tuple[Any, Made]] = current_app.extensions.setdefault("latchkey.kept", {})
    catalogue = scopes.catalogue()
    state = (settings.current(), tuple(catalogue.values()), scopes.waiting(catalogue))
    found = made.get(name)
    if found is None or found[0] != state:
        found = made[name] = (state, make())
    return found[1]


@blueprint.after_request
def keep(response: Response) -> Response:
    """Let a guide be kept for a while and asked for again by its tag, if nobody is signed in."""
    guide = (request.endpoint or "").startswith(PREFIX) and request.method in ("GET", "HEAD")
    # A message for this reader was in the session until it was shown.
    if not guide or response.status_code != 200 or session or session.modified:
        return response
    # The cookie says who is signed in and which theme was chosen.
    response.vary.add("Cookie")
    response.cache_control.public, response.cache_control.max_age = True, SECONDS
    response.add_etag(weak=True)
    response.make_conditional(request)
    return response


@blueprint.app_template_global()
def sees_operator_guides() -> bool:
    """Whether the reader of this page does."""
    if settings.current().operator_guides == "everybody":
        return True
    return bool(current_user.is_authenticated) and current_user.user.is_admin


@blueprint.url_value_preprocessor
def for_operators(_endpoint: str | None, _values: dict[str, object] | None) -> None:
    """404 for whoever does not, for the text of a guide too."""
    if not readable(request.path):
        abort(404)


def readable(path: str) -> bool:
    """Whether the reader may be led to a guide."""
    return not path.startswith(PATHS) or sees_operator_guides()

"""What is made once for everybody, until the settings or the scopes change; and what caches may keep of it."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, current_app, request, session

from latchkey import scopes, settings
from portal.blueprint import blueprint

Made = TypeVar("Made")
SECONDS = 300
PREFIX = "portal.guide_"


def kept(name: str, make: Callable[[], Made]) -> Made:
    """What was made under this name, or is made now."""
    made: dict[str, tuple[Any, Made]] = current_app.extensions.setdefault("latchkey.kept", {})
    state = (settings.current(), tuple(scopes.catalogue().values()))
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

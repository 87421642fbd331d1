"""What caches may keep: guides that say the same to everybody, never one with somebody's name in it."""

from flask import Response, request, session

from portal.blueprint import blueprint

SECONDS = 300
PREFIX = "portal.guide_"


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

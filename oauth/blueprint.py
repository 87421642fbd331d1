"""The blueprint of the protocol, on which every endpoint is registered."""

from flask import current_app, request

from web.calls import Calls

# Where people, not programs, come: these look at cookies, and their changes need a CSRF token (N-01).
BROWSER_ENDPOINTS = frozenset(
    {"oauth.authorize", "oauth.decide", "oauth.device", "oauth.type_code", "oauth.decide_device", "oauth.run_app"}
)

blueprint = Calls("oauth", __name__)


@blueprint.before_request
def protect() -> None:
    """A decision comes from our own page."""
    if request.endpoint in BROWSER_ENDPOINTS:
        current_app.extensions["csrf"].protect()

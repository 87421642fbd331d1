"""The logo of an app, from our own store: no page of ours loads a picture from elsewhere (J-04)."""

from flask import Response, abort, request

from latchkey import clients
from portal.blueprint import blueprint
from web import policy

FOREVER = "public, max-age=31536000, immutable"


@blueprint.get("/apps/<id:client_id>/logo")
def show_app_logo(client_id: str) -> Response:
    """The picture, which consent shows to everybody; its address changes with it."""
    client = clients.find(client_id)
    if client is None or client.logo is None:
        abort(404)
    response = Response(client.logo, content_type="image/png")
    response.headers["Content-Security-Policy"] = policy.PICTURE
    response.headers["Cache-Control"] = FOREVER if request.args.get("v") == client.logo_version else "no-cache"
    response.set_etag(client.logo_version or "")
    response.make_conditional(request)
    return response

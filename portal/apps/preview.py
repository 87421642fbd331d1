"""What people will see when an app asks them."""

from flask import render_template

from latchkey import addresses, grants
from latchkey.clients import redirects
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import signed_in, this_user


@blueprint.get("/apps/<id:client_id>/consent")
@signed_in
def preview_consent(client_id: str) -> str:
    """The consent screen of an own app that asks for all that it may, with nothing to press."""
    client = own_app(client_id)
    return render_template(
        "portal/apps/preview.html",
        client=client,
        homepage=addresses.parts(client.homepage).netloc,
        user=this_user(),
        boxes=grants.boxes(client.scopes),
        optional=client.optional,
        known=frozenset(),
        settled={},
        new_here=grants.new_here(client),
        lasts=grants.LASTS,
        handle="",
        destination=redirects.destination(client.redirect_uris[0]),
        lifetime_days=grants.ABSOLUTE.days,
    )

"""What tokens are for: the APIs and scopes that this installation knows, and the guards before them."""

from flask import render_template

from latchkey import resources
from latchkey.naming import listed
from latchkey.oversight import fleet
from portal.blueprint import blueprint


@blueprint.get("/admin/resources")
def admin_resources() -> str:
    """Both catalogues as they were read at the start, the operator's APIs first."""
    return render_template(
        "portal/admin/resources/index.html",
        apis=resources.catalogue().values(),
        parts=dict(listed.by_resource()),
        builtin=resources.account(),
        fleet=fleet.look(),
    )

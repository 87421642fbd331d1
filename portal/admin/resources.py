"""What tokens are for: the scopes that this installation knows."""

from flask import render_template

from latchkey import scopes, settings
from portal.blueprint import blueprint


@blueprint.get("/admin/resources")
def admin_resources() -> str:
    """The catalogue as it was read at the start."""
    there = (settings.current().instance / "scopes.toml").is_file()
    return render_template("portal/admin/resources/index.html", groups=scopes.groups(), there=there)

"""The first page: what this is for those who are signed out, where to begin for those who are signed in."""

from flask import render_template
from flask_login import current_user

from latchkey import settings
from portal.blueprint import blueprint


@blueprint.get("/")
def welcome() -> str:
    """Landing or Welcome."""
    page = "welcome" if current_user.is_authenticated else "landing"
    return render_template(f"portal/welcome/{page}.html", open_to_all=settings.current().signup != "invite")


# The same address by another name, for those who mean it signed out.
blueprint.add_url_rule("/", "landing", build_only=True)

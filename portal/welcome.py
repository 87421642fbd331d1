"""The first page: what this is for those who are signed out, where to begin for those who are signed in."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from latchkey import settings
from portal.blueprint import blueprint
from portal.guards import signed_in


@blueprint.get("/")
def welcome() -> ResponseReturnValue:
    """Landing or Welcome."""
    if current_user.is_authenticated:
        return _begin()
    ours = settings.current()
    open_to_all = ours.signup != "invite" and ours.passwords == "on"
    return render_template("portal/welcome/landing.html", open_to_all=open_to_all)


@signed_in
def _begin() -> str:
    return render_template("portal/welcome/welcome.html")


# The same address by another name, for those who mean it signed out.
blueprint.add_url_rule("/", "landing", build_only=True)

"""The overview: what needs attention first, then figures, then what administrators did."""

from flask import render_template

from latchkey.journal import acts
from latchkey.oversight import overview
from portal.admin import words
from portal.blueprint import blueprint
from portal.guards import this_user

LATEST = 8


@blueprint.get("/admin")
def show_overview() -> str:
    """Everything at a glance."""
    return render_template(
        "portal/admin/index.html",
        attention=overview.attention(),
        figures=overview.figures(),
        acts=[words.of(act, this_user().id) for act in acts.page(limit=LATEST)],
    )

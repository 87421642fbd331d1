"""Everything that is kept about a person, as a file."""

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from latchkey import clock
from latchkey.safety import takeaway
from portal import files
from portal.blueprint import blueprint
from portal.guards import require_proof, signed_in, this_user


@blueprint.route("/settings/data", methods=["GET", "POST"])
@signed_in
def download_data() -> ResponseReturnValue:
    """The file, after fresh proof: it tells a thief more than any page."""
    if request.method != "POST":
        return redirect(url_for("portal.settings", _anchor="data"), 303)
    require_proof()
    body = files.made(takeaway.of(this_user()))
    name = f"my-data-{clock.now():%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, content_type="application/json", headers=headers)

"""/continue: back to a page whose address was too long to be carried through sign-in as it is."""

from flask import abort, redirect, request
from werkzeug.wrappers import Response

from latchkey.accounts import waybacks
from portal.blueprint import blueprint
from portal.guards import local_path


@blueprint.get(waybacks.PATH)
def resume() -> Response:
    """Only to what was frozen here: nobody else can say where this leads (L-10)."""
    path = local_path(waybacks.thawed(request.args.get("to", "")))
    if path is None:
        abort(400)
    return redirect(path, 303)

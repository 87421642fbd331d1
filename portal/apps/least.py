"""Scopes that no call of an app took: taken from its ceiling in one click, and given back within a week."""

from flask import Response, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey.clients import BadClient
from latchkey.safety import least
from latchkey.store.session import db
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import require_proof, signed_in, this_user, verified
from web import htmx


@blueprint.post("/apps/<id:client_id>/scopes/unused")
@signed_in
def drop_unused_app_scopes(client_id: str) -> BaseResponse:
    """Take away what was shown as not used and still is not."""
    client = own_app(client_id, lock=True)
    try:
        least.drop(this_user(), client, frozenset(request.form.getlist("scope")))
    except BadClient:
        db.rollback()
        flash("Something else of this app has to be mended first: open Edit.")
    db.commit()
    if not htmx.wants_partial():
        return redirect(url_for("portal.show_app", client_id=client_id, _anchor="scopes"), 303)
    return Response(render_template("portal/apps/_scopes.html", client=client, report=least.report(client), told=True))


@blueprint.route("/apps/<id:client_id>/scopes/undo", methods=["GET", "POST"])
@verified
def give_back_app_scopes(client_id: str) -> BaseResponse:
    """Asks for fresh proof; then what was removed is there again, and nothing else."""
    client = own_app(client_id)
    form = FlaskForm()
    names = sorted(least.droppable(client))
    if not names:
        return _back(client_id, "There is nothing to give back.")
    require_proof()
    if request.method != "POST" or not form.validate():
        back = url_for("portal.show_app", client_id=client_id)
        page = render_template("portal/give_back.html", form=form, names=names, name=client.name, back=back)
        return Response(page, 422 if form.errors else 200)
    try:
        given = least.give_back(this_user(), own_app(client_id, lock=True))
    except BadClient:
        db.rollback()
        return _back(client_id, "Something else of this app has to be mended first: open Edit.")
    db.commit()
    return _back(client_id, f"Given back: {', '.join(sorted(given))}." if given else "There was nothing to give back.")


def _back(client_id: str, said: str) -> BaseResponse:
    flash(said)
    return redirect(url_for("portal.show_app", client_id=client_id, _anchor="scopes"), 303)

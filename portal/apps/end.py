"""The end of an app: for everybody who uses it, or for good."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, notices
from latchkey.clients import Client
from latchkey.safety import shutdown
from latchkey.store.session import commit_parts, db
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import require_proof, this_user, verified


def _asked(client: Client, form: FlaskForm, page: str) -> Response:
    people = grants.count_for(client)
    return Response(
        render_template(page, client=client, form=form, people=people),
        422 if form.errors else 200,
    )


@blueprint.route("/apps/<id:client_id>/cut-off", methods=["GET", "POST"])
@verified
def cut_off_app(client_id: str) -> BaseResponse:
    """Asks first; then nobody's token works any more. They can authorize the app again."""
    client, form = own_app(client_id), FlaskForm()
    require_proof()
    if request.method != "POST" or not form.validate():
        return _asked(client, form, "portal/apps/cut_off.html")
    client = own_app(client_id, lock=True)
    count = commit_parts(shutdown.cut_off(client))
    notices.app_cut_off(this_user(), client, count)
    db.commit()
    flash(f"Cut off {count:,} {'person' if count == 1 else 'people'} from “{client.name}”.")
    return redirect(url_for("portal.show_app", client_id=client_id), 303)


@blueprint.route("/apps/<id:client_id>/delete", methods=["GET", "POST"])
@verified
def delete_app(client_id: str) -> BaseResponse:
    """Asks first; then the app is gone with its secrets and every authorization."""
    client, form = own_app(client_id), FlaskForm()
    require_proof()
    if request.method != "POST" or not form.validate():
        return _asked(client, form, "portal/apps/delete.html")
    client = own_app(client_id, lock=True)
    name = client.name
    commit_parts(shutdown.delete(client))
    flash(f"Deleted “{name}”.")
    return redirect(url_for("portal.list_apps"), 303)


@blueprint.route("/apps/<id:client_id>/restore", methods=["GET", "POST"])
@verified
def restore_app(client_id: str) -> BaseResponse:
    """Asks first; then an app that was stopped after a leak or break-in goes on. Its owner has looked at what it did.

    A trusted one is an administrator's to look at.
    """
    client, form = own_app(client_id), FlaskForm()
    if clients.protected(client, this_user()):
        abort(404)
    if not clients.causes(client) & clients.OWNERS_TO_LIFT:
        return redirect(url_for("portal.show_app", client_id=client_id), 303)
    require_proof()
    if request.method != "POST" or not form.validate():
        page = render_template("portal/apps/restore.html", client=client, form=form)
        return Response(page, 422 if form.errors else 200)
    client = own_app(client_id, lock=True)
    if clients.protected(client, this_user()):
        abort(404)
    goes_on = max(shutdown.restore(client, cause) for cause in clients.OWNERS_TO_LIFT)
    db.commit()
    flash(f"“{client.name}” goes on." if goes_on else f"“{client.name}” stays suspended by an administrator.")
    return redirect(url_for("portal.show_app", client_id=client_id), 303)

"""The secrets of a confidential app: a new one beside the old, and the end of the old one."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import HiddenField

from latchkey import clients, notices
from latchkey.clients import Client
from latchkey.store.session import db
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import require_proof, this_user, verified


class RotateForm(FlaskForm):
    """Agreement to a new secret in place of the newest one that its sender has seen."""

    newest = HiddenField()


@blueprint.route("/apps/<id:client_id>/secret/rotate", methods=["GET", "POST"])
@verified
def rotate_app_secret(client_id: str) -> BaseResponse:
    """Asks first; then the new secret, shown once. Sent twice, it rotates once."""
    client, form = own_app(client_id), RotateForm()
    if not client.confidential or client.keyed:
        abort(404)
    require_proof()
    if request.method == "POST" and form.validate():
        return _rotate(own_app(client_id, lock=True), form.newest.data or "")
    page = render_template("portal/apps/rotate.html", client=client, form=form, secrets=clients.live_secrets(client))
    return Response(page, 422 if form.errors else 200)


def _rotate(client: Client, newest: str) -> BaseResponse:
    try:
        secret = clients.rotate_secret(client, by=this_user(), newest=newest)
    except clients.BadClient as bad:
        # It was trusted meanwhile, or got keys of its own.
        return _refused(client, bad)
    except clients.AlreadyRotated:
        db.rollback()
        flash("The secret was rotated already. If you did not keep the new one, rotate it again.")
        return redirect(url_for("portal.show_app", client_id=client.id), 303)
    notices.app_secret_rotated(this_user(), client)
    db.commit()
    page = render_template(
        "portal/apps/created.html", client=client, secret=secret, old=clients.live_secrets(client)[1:]
    )
    response = Response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(client: Client, bad: clients.BadClient) -> BaseResponse:
    db.rollback()
    flash(str(bad))
    return redirect(url_for("portal.show_app", client_id=client.id), 303)


@blueprint.route("/apps/<id:client_id>/secret/<id:secret_id>/end", methods=["GET", "POST"])
@verified
def end_app_secret(client_id: str, secret_id: str) -> BaseResponse:
    """Asks first; then an old secret stops working before its time. The newest one cannot be ended."""
    client, form = own_app(client_id), FlaskForm()
    old = next((secret for secret in clients.live_secrets(client)[1:] if secret.id == secret_id), None) or abort(404)
    require_proof()
    if request.method != "POST" or not form.validate():
        page = render_template("portal/apps/end_secret.html", client=client, form=form, secret=old)
        return Response(page, 422 if form.errors else 200)
    client = own_app(client_id, lock=True)
    try:
        removed = clients.remove_secret(client, secret_id, by=this_user())
    except clients.OnlyAdministrator as protected:
        return _refused(client, protected)
    if removed:
        notices.app_secret_removed(this_user(), client)
        db.commit()
        flash(f"The secret that ends in {old.last4} no longer works.")
    return redirect(url_for("portal.show_app", client_id=client_id), 303)

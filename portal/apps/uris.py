"""The redirect URIs of an app, added and removed one by one."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, notices
from latchkey.clients import BadClient, Client
from latchkey.store.session import db
from portal.apps.form import UriForm
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import require_proof, this_user, verified
from web import htmx


def _address(client: Client) -> str:
    return url_for("portal.show_app", client_id=client.id, _anchor="uris-h")


def _added(client: Client, form: UriForm, uri: str) -> BaseResponse:
    """The list as it is now."""
    if not htmx.wants_partial():
        flash(f"Added {uri}.")
        return redirect(_address(client), 303)
    form.uri.data = ""
    part = render_template("portal/apps/_uris.html", client=client, form=form, fresh=True, confirmed=True)
    return htmx.announced(Response(part), f"Added {uri}.")


@blueprint.post("/apps/<id:client_id>/redirect-uris")
@verified
def add_redirect_uri(client_id: str) -> BaseResponse:
    """Lead people back to one more address."""
    client, form = own_app(client_id), UriForm()
    uri = (form.uri.data or "").strip()
    try:
        clients.check_redirect_uris([uri])
        if not form.validate():
            return _not_added(client, form)
        require_proof()
        client = own_app(client_id, lock=True)
        added = clients.add_redirect_uri(client, uri, by=this_user())
    except BadClient as bad:
        db.rollback()
        form.uri.errors = [str(bad)]
        return _not_added(client, form)
    if added:
        notices.app_changed(this_user(), client, ["redirect_uris"])
    db.commit()
    return _added(client, form, uri)


def _not_added(client: Client, form: UriForm) -> Response:
    return htmx.render("portal/apps/add_uri.html", "portal/apps/_uri_form.html", 422, client=client, form=form)


@blueprint.route("/apps/<id:client_id>/redirect-uris/remove", methods=["GET", "POST"])
@verified
def remove_redirect_uri(client_id: str) -> BaseResponse:
    """Asks first, then leads nobody to an address any more."""
    client, form = own_app(client_id), UriForm()
    if request.method != "POST":
        form.uri.data = request.args.get("uri")
    uri = form.uri.data
    if uri not in client.redirect_uris:
        # A second click, or another window, was quicker.
        return redirect(_address(client), 303) if request.method == "POST" else abort(404)
    require_proof()
    if request.method != "POST" or not form.validate():
        page = render_template("portal/apps/remove_uri.html", client=client, form=form)
        return Response(page, 422 if form.errors else 200)
    client = own_app(client_id, lock=True)
    try:
        if clients.remove_redirect_uri(client, uri, by=this_user()):
            notices.app_changed(this_user(), client, ["redirect_uris"])
            flash(f"Removed {uri}.")
    except BadClient as bad:
        flash(str(bad))
    db.commit()
    return redirect(_address(client), 303)

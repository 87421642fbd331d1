"""The redirect URIs of an app, added and removed one by one."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from latchkey import clients, notices
from latchkey.clients import BadClient, Client
from latchkey.db import db
from portal import htmx
from portal.app_owner import own_app
from portal.blueprint import blueprint
from portal.guards import ConfirmPassword, confirmed, this_user, verified


class UriForm(ConfirmPassword):
    """One address."""

    uri = StringField("Redirect URI")


def _address(client: Client) -> str:
    return url_for("portal.show_app", client_id=client.id, _anchor="uris-h")


def _done(client: Client, form: UriForm, *, asked: bool) -> BaseResponse:
    """The list as it is now. After a password the whole page: every other form on it has a new secret, too (M-02)."""
    if not htmx.wants_partial():
        return redirect(_address(client), 303)
    if asked:
        return Response(headers={"HX-Redirect": _address(client)})
    form.uri.data = ""
    return Response(render_template("portal/apps/_uris.html", client=client, form=form, fresh=True))


@blueprint.post("/apps/<id:client_id>/redirect-uris")
@verified
def add_redirect_uri(client_id: str) -> BaseResponse:
    """Lead people back to one more address."""
    client, form = own_app(client_id), UriForm()
    uri, asked = (form.uri.data or "").strip(), form.password is not None
    try:
        clients.check_redirect_uris([uri])
        if not form.validate() or not confirmed(form):
            return _not_added(client, form)
        client = own_app(client_id, lock=True)
        added = clients.add_redirect_uri(client, uri)
    except BadClient as bad:
        db.rollback()
        form.uri.errors = [str(bad)]
        return _not_added(client, form)
    if added:
        notices.app_changed(this_user(), client, ["redirect_uris"])
    db.commit()
    return _done(client, form, asked=asked)


def _not_added(client: Client, form: UriForm) -> Response:
    return htmx.render("portal/apps/add_uri.html", "portal/apps/_uri_form.html", 422, client=client, form=form)


@blueprint.route("/apps/<id:client_id>/redirect-uris/remove", methods=["GET", "POST"])
@verified
def remove_redirect_uri(client_id: str) -> BaseResponse:
    """Lead nobody to an address any more; asks first when the password is needed."""
    client, form = own_app(client_id), UriForm()
    asked = form.password is not None
    if request.method != "POST":
        form.uri.data = request.args.get("uri")
    if form.uri.data not in client.redirect_uris:
        # A second click, or another window, was quicker.
        return _done(client, form, asked=True) if request.method == "POST" else abort(404)
    if request.method != "POST" or not form.validate() or not confirmed(form):
        return _ask(client, form)
    client = own_app(client_id, lock=True)
    try:
        if clients.remove_redirect_uri(client, form.uri.data):
            notices.app_changed(this_user(), client, ["redirect_uris"])
    except BadClient as bad:
        flash(str(bad))
        asked = True
    db.commit()
    return _done(client, form, asked=asked)


def _ask(client: Client, form: UriForm) -> BaseResponse:
    if htmx.wants_partial():
        address = url_for("portal.remove_redirect_uri", client_id=client.id, uri=form.uri.data)
        return Response(headers={"HX-Redirect": address})
    page = render_template("portal/apps/remove_uri.html", client=client, form=form)
    return Response(page, 422 if form.errors else 200)

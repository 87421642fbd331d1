"""The keys of an app: given in place of its secret, exchanged, and a secret again in place of them (D-15)."""

from flask import Response, abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField, TextAreaField

from latchkey import clients, notices
from latchkey.clients import BadClient, Client
from latchkey.clients.keys import changing, record, sets
from latchkey.clients.keys.changing import Wanted
from latchkey.clients.keys.record import ClientKeys
from latchkey.store.session import db
from portal import drafts
from portal.apps.owner import own_app
from portal.blueprint import blueprint
from portal.guards import require_proof, this_user, verified


class KeysForm(FlaskForm):
    """A key set, or where one stands."""

    jwks = TextAreaField("Key set")
    jwks_uri = StringField("Address of the key set")

    def wanted(self) -> Wanted:
        """What was written, or stands at the address, which is asked. Raises `BadClient`."""
        written, address = (self.jwks.data or "").strip(), (self.jwks_uri.data or "").strip()
        if bool(written) == bool(address):
            raise BadClient(jwks="Paste a key set, or write the address of one: either of them.")
        if not address:
            return changing.pasted(written)
        person = this_user().id
        # Nothing is held while the address is asked.
        db.rollback()
        return changing.at(address, person)


def _confidential(client_id: str) -> Client:
    client = own_app(client_id)
    return client if client.confidential else abort(404)


@blueprint.get("/apps/<id:client_id>/keys")
@verified
def show_app_keys(client_id: str) -> BaseResponse:
    """The form, with what holds now."""
    client = _confidential(client_id)
    require_proof()
    return _page(client, _filled(record.find(client.id)))


def _filled(known: ClientKeys | None) -> KeysForm:
    written = sets.written(known.keys) if known is not None and known.keys and not known.url else ""
    return KeysForm(formdata=drafts.typed(), data={"jwks": written, "jwks_uri": known.url if known else ""})


def _page(client: Client, form: KeysForm, status: int = 200) -> Response:
    page = render_template(
        "portal/apps/keys.html",
        client=client,
        form=form,
        has_secret=bool(clients.live_secrets(client)),
        protected=clients.protected(client, this_user()),
    )
    return Response(page, status)


@blueprint.post("/apps/<id:client_id>/keys")
@verified
def give_app_keys(client_id: str) -> BaseResponse:
    """Let the app prove itself by these keys from now on; its secrets end at once."""
    client, form = _confidential(client_id), KeysForm()
    require_proof()
    try:
        if not form.validate():
            return _page(client, form, 422)
        wanted = form.wanted()
        client = own_app(client_id, lock=True)
        given = changing.give(client, wanted, by=this_user())
    except BadClient as bad:
        db.rollback()
        for field, message in bad.errors.items():
            (form.jwks_uri if field == "jwks_uri" else form.jwks).errors = [message]
        return _page(own_app(client_id), form, 422)
    if given:
        notices.app_keys_changed(this_user(), client)
        flash(f"“{client.name}” proves itself by these keys.")
    db.commit()
    return redirect(url_for("portal.show_app", client_id=client_id), 303)


@blueprint.post("/apps/<id:client_id>/keys/end")
@verified
def end_app_keys(client_id: str) -> BaseResponse:
    """Give the app a secret in place of its keys, shown once. Sent twice, it is done once."""
    _confidential(client_id)
    require_proof()
    client = own_app(client_id, lock=True)
    try:
        taken = changing.take(client, by=this_user())
    except BadClient as bad:
        db.rollback()
        flash(str(bad))
        return redirect(url_for("portal.show_app", client_id=client_id), 303)
    if not taken:
        db.rollback()
        return redirect(url_for("portal.show_app", client_id=client_id), 303)
    secret = clients.rotate_secret(client, by=this_user())
    notices.app_secret_rotated(this_user(), client)
    db.commit()
    page = render_template("portal/apps/created.html", client=client, secret=secret)
    response = Response(page)
    response.headers["Cache-Control"] = "no-store"
    return response

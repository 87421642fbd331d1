"""The apps that a user registered, and registering one."""

import re

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import Field, HiddenField, RadioField, TextAreaField, ValidationError

from latchkey import clients, credentials, grants, notices
from latchkey.accounts.limits import QuotaReached
from latchkey.clients import Client
from latchkey.store.session import db
from portal import drafts
from portal.apps.form import AppForm, offered
from portal.blueprint import blueprint, takes_a_picture
from portal.guards import acting_user, require_proof, signed_in, this_user, verified

TYPES = ("confidential", "keys", "public")
LONGEST_SEARCH = 80
PAGE_NUMBER = re.compile(r"[1-9]\d{0,3}", re.ASCII)


@blueprint.get("/apps")
@signed_in
def list_apps() -> BaseResponse:
    """A page of them, the newest first; searched by name, homepage or id."""
    search, asked = request.args.get("q", "").strip()[:LONGEST_SEARCH].replace("\0", ""), request.args.get("page", "1")
    page = int(asked) if PAGE_NUMBER.fullmatch(asked) else 1
    own, number = clients.page_of(this_user(), search, page)
    if page > 1 and not own:
        return redirect(url_for("portal.list_apps", q=search or None), 303)
    shown = render_template(
        "portal/apps/index.html",
        apps=own,
        may_register=clients.may_register(this_user()),
        people=grants.people(own),
        search=search,
        number=number,
        page=page,
        size=clients.PAGE,
    )
    return Response(shown)


class NewAppForm(AppForm):
    """Everything about a new app."""

    redirect_uris = TextAreaField("Redirect URIs")
    type = RadioField("Type", choices=[], validate_choice=False)
    form_id = HiddenField()

    def addresses(self) -> list[str]:
        """Where the app leads people back to, one a line."""
        lines = (line.strip() for line in (self.redirect_uris.data or "").splitlines())
        return [line for line in lines if line]

    def validate_type(self, field: Field) -> None:
        """One of the three; none is guessed (J-03)."""
        if field.data not in TYPES:
            raise ValidationError("Choose whether the app can keep a secret.")

    def validate_form_id(self, field: Field) -> None:
        """The number of the form, without which it could be taken twice."""
        if not credentials.is_opaque(field.data or ""):
            field.data = credentials.opaque()
            raise ValidationError("Part of this form was missing. Look it over and press Register app again.")


def _page(form: NewAppForm, status: int = 200) -> Response:
    return Response(render_template("portal/apps/new.html", form=form, groups=offered()), status)


@blueprint.route("/apps/new", methods=["GET", "POST"])
@takes_a_picture
@verified
def new_app() -> BaseResponse:
    """The form; sent, the app's secret. The form's one-time id keeps a second sending from registering a second app."""
    if not clients.may_register(this_user()):
        return Response(render_template("portal/apps/closed.html"), 403)
    if request.method != "POST":
        return _page(
            NewAppForm(formdata=drafts.typed(), data={"type": "confidential", "form_id": credentials.opaque()})
        )
    form = NewAppForm()
    if form.wants_all():
        return _page(form)
    if not form.validate():
        return _page(form, 422)
    require_proof()
    return _register(form)


def _register(form: NewAppForm) -> BaseResponse:
    user = acting_user()
    try:
        client, secret = clients.register(
            user,
            name=form.name.data or "",
            homepage=(form.homepage.data or "").strip(),
            redirect_uris=form.addresses(),
            scopes=form.scope.data or (),
            optional_scopes=form.optional.data or (),
            device_flow=bool(form.device_flow.data),
            confidential=form.type.data != "public",
            form_id=form.form_id.data,
        )
    except clients.AlreadyRegistered as again:
        db.rollback()
        flash(f"“{again.client.name}” was registered already. A secret is shown only once; rotate it for a new one.")
        return redirect(url_for("portal.show_app", client_id=again.client.id), 303)
    except QuotaReached as full:
        db.rollback()
        form.form_id.errors = [str(full)]
        return _page(form, 409)
    if form.type.data == "keys":
        # Nobody has seen it, and nobody will.
        clients.end_secrets(client)
        secret = None
    if form.picture:
        clients.set_logo(client, form.picture, by=user)
    notices.app_registered(user, client)
    db.commit()
    return _registered(client, secret, keys=form.type.data == "keys")


def _registered(client: Client, secret: str | None, *, keys: bool) -> BaseResponse:
    """The secret, in the only answer that ever holds it (I-03); a public app has none and is shown at once."""
    if keys:
        flash(f"Registered “{client.name}”. It can do nothing until it has its keys.")
        return redirect(url_for("portal.show_app_keys", client_id=client.id), 303)
    if secret is None:
        flash(f"Registered “{client.name}”.")
        return redirect(url_for("portal.show_app", client_id=client.id), 303)
    response = Response(render_template("portal/apps/created.html", client=client, secret=secret))
    response.headers["Cache-Control"] = "no-store"
    return response

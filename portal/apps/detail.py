"""One app: what it is, how it is doing, how to begin with it, and changing it."""

from collections.abc import Mapping
from datetime import timedelta

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, Field, HiddenField

from latchkey import clients, clock, grants, notices, tokens
from latchkey.accounts import sessions
from latchkey.clients import BadClient, Client
from latchkey.clients.keys import record as key_records
from latchkey.journal import refusals
from latchkey.journal.calls import use
from latchkey.safety import least
from latchkey.store.session import db
from portal import drafts
from portal.apps import quickstart
from portal.apps.form import AppForm, UriForm, offered
from portal.apps.owner import own_app
from portal.apps.proof import shown
from portal.blueprint import blueprint, takes_a_picture
from portal.fields import boxes_touched, unless_touched
from portal.guards import require_proof, signed_in, this_session, this_user, verified
from web import htmx

WEEK = timedelta(days=7)
OPENED = ("name", "homepage", "scope", "optional", "pkce_required", "device_flow")
REFUSALS_SHOWN = 20


@blueprint.get("/apps/<id:client_id>")
@signed_in
def show_app(client_id: str) -> Response:
    """Everything about one app."""
    client = own_app(client_id)
    uri = drafts.typed(url_for("portal.add_redirect_uri", client_id=client.id))
    return htmx.render(
        "portal/apps/show.html",
        "portal/apps/_quickstart.html",
        client=client,
        form=UriForm(formdata=uri) if uri is not None else None,
        secrets=clients.live_secrets(client),
        keys=shown.shown(client),
        key_source=key_records.find(client.id) if client.keyed else None,
        people=grants.count_for(client),
        new_people=grants.count_for(client, clock.now() - WEEK),
        last_issued_at=tokens.last_issued(client),
        report=least.report(client, frozenset(request.args.getlist("without"))),
        by_person=use.people(client.id),
        refused=refusals.list_for(client, REFUSALS_SHOWN),
        start=quickstart.of(client, request.args.get("lang")),
        confirmed=sessions.recently_authenticated(this_session()),
        protected=clients.protected(client, this_user()),
        causes=clients.causes(client),
    )


def _as_it_is(client: Client) -> dict[str, str]:
    """What a page of an app holds when it is opened."""
    return {
        "was_name": client.name,
        "was_homepage": client.homepage,
        "was_scope": " ".join(sorted(client.scopes | client.waiting_scopes)),
        "was_optional": " ".join(sorted(client.optional)),
        "was_pkce_required": "y" if client.pkce_required else "",
        "was_device_flow": "y" if client.device_flow else "",
    }


class EditAppForm(AppForm):
    """What may be changed of an app; its redirect URIs come and go one by one."""

    pkce_required = BooleanField("Require PKCE")
    remove_logo = BooleanField("Remove the logo")
    # What the page held when it was opened.
    was_name = HiddenField()
    was_homepage = HiddenField()
    was_scope = HiddenField()
    was_optional = HiddenField()
    was_pkce_required = HiddenField()
    was_device_flow = HiddenField()

    def __init__(self, client: Client, *, data: Mapping[str, object] | None = None, **kwargs: object) -> None:
        super().__init__(data={**_as_it_is(client), **(data or {})}, **kwargs)
        self._typed = dict(self.data)
        self.client, self.trusted, self.ceiling = client, client.trusted, client.ceiling
        if not client.confidential:
            del self.pkce_required
        if client.logo_version is None:
            del self.remove_logo
        self.protected = clients.protected(client, this_user())

    def keep_untouched(self, client: Client) -> None:
        """Let what was not changed on the page be as it is now: it may have been opened long ago."""
        typed, then = self._typed, {name: self._typed[f"was_{name}"] or "" for name in OPENED}
        self.name.data = unless_touched(typed["name"], then["name"], client.name)
        self.homepage.data = unless_touched((typed["homepage"] or "").strip(), then["homepage"], client.homepage)
        held = client.scopes | client.waiting_scopes
        self.scope.data = boxes_touched(typed["scope"] or (), then["scope"].split(), held)
        self.optional.data = boxes_touched(typed["optional"] or (), then["optional"].split(), client.optional)
        self.device_flow.data = unless_touched(typed["device_flow"], then["device_flow"] == "y", client.device_flow)
        if self.pkce_required:
            ticked, before = typed["pkce_required"], then["pkce_required"] == "y"
            self.pkce_required.data = unless_touched(ticked, before, client.pkce_required)
        # A page that comes back with a fault shows what is so by now.
        for name, value in _as_it_is(client).items():
            self[name].data = value

    def validate(self, extra_validators: object = None) -> bool:
        """What only an administrator changes of a trusted app is said beside its field, and not dropped."""
        valid = super().validate(extra_validators)
        if not self.protected:
            return valid
        refused: list[Field] = [self.name] if self.name.data != self.client.name else []
        refused += [self.logo] if self.logo.data or (self.remove_logo and self.remove_logo.data) else []
        if self.pkce_required and bool(self.pkce_required.data) is not self.client.pkce_required:
            refused.append(self.pkce_required)
        for field in refused:
            field.errors = ["This app is trusted: only an administrator can change this."]
        return valid and not refused

    def addresses(self) -> list[str]:
        """Where the app leads people back to stays as it is."""
        return self.client.redirect_uris


@blueprint.route("/apps/<id:client_id>/edit", methods=["GET", "POST"])
@takes_a_picture
@verified
def edit_app(client_id: str) -> BaseResponse:
    """The form; sent, back to the app."""
    client = own_app(client_id)
    if request.method != "POST":
        now = {"name": client.name, "homepage": client.homepage, "pkce_required": client.pkce_required}
        now |= {"device_flow": client.device_flow}
        now |= {"scope": sorted(client.scopes | client.waiting_scopes), "optional": sorted(client.optional)}
        form = EditAppForm(client, formdata=drafts.typed(), data=now)
        return _page(client, form)
    form = EditAppForm(client)
    if form.wants_all():
        return _page(client, form)
    form.keep_untouched(client)
    if not form.validate():
        return _page(client, form, 422)
    require_proof()
    try:
        client = own_app(client_id, lock=True)
        form.keep_untouched(client)
        _change(client, form)
    except BadClient as bad:
        # What it may be changed to is other than when the form was looked at.
        db.rollback()
        form.complain(bad)
        return _page(client, form, 422)
    return redirect(url_for("portal.show_app", client_id=client_id), 303)


def _page(client: Client, form: EditAppForm, status: int = 200) -> Response:
    groups = offered(trusted=client.trusted, ceiling=client.ceiling)
    return Response(render_template("portal/apps/edit.html", client=client, form=form, groups=groups), status)


def _change(client: Client, form: EditAppForm) -> None:
    changes = clients.change(
        client,
        name=form.name.data or "",
        homepage=(form.homepage.data or "").strip(),
        redirect_uris=client.redirect_uris,
        scopes=form.scope.data or (),
        optional_scopes=form.optional.data or (),
        pkce_required=bool(form.pkce_required.data) if form.pkce_required else client.pkce_required,
        device_flow=bool(form.device_flow.data),
        by=this_user(),
    )
    if form.picture or (client.logo_version and form.remove_logo and form.remove_logo.data):
        clients.set_logo(client, form.picture, by=this_user())
        changes.append("logo")
    if changes:
        notices.app_changed(this_user(), client, changes)
        flash(f"Changed “{client.name}”.")
    db.commit()

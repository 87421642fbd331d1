"""Whose a credential is that somebody came across. It is posted, and neither kept nor shown again."""

from flask import Response, render_template
from flask_wtf import FlaskForm
from wtforms import StringField

from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.oversight import keys
from latchkey.store.session import db
from portal.admin.guard import begin
from portal.blueprint import blueprint

LONGEST = 2_000
KINDS = {
    "dev": "a developer token",
    "oat": "an access token",
    "ort": "a refresh token",
    "sec": "a client secret",
    "client_id": "an app’s client ID",
}


class FindCredentialForm(FlaskForm):
    """A box for what somebody found."""

    token = StringField("Token, secret or client ID")


def _page(form: FindCredentialForm, found: keys.Found | None = None, status: int = 200) -> Response:
    form.token.data = ""
    page = render_template("portal/admin/find/index.html", form=form, found=found, kinds=KINDS)
    response = Response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/admin/find")
def find_credential() -> Response:
    """The form into which a credential is pasted."""
    return _page(FindCredentialForm())


@blueprint.post("/admin/find")
def look_up_credential() -> Response:
    """Whose it is. That an administrator looked, the others see."""
    form = FindCredentialForm()
    typed = (form.token.data or "").strip()
    # Before anything is held: what another system made may take a while to be told.
    found = keys.find(typed[:LONGEST]) if typed else None
    begin()
    if found is None:
        form.token.errors = ["Nobody here has this." if typed else "Paste it here."]
        return _page(form, status=422)
    whose = (found.owner.id, found.owner.email) if found.owner is not None else ("", "nobody")
    acts.record(ActKind.CREDENTIAL_FOUND, *whose)
    db.commit()
    return _page(form, found)

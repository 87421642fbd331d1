"""/settings/security: the authenticator app and its recovery codes. Each change asks for fresh proof (L-09, L-11)."""

import json
from typing import TYPE_CHECKING

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from markupsafe import Markup
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Length

from latchkey import clock, settings, vault
from latchkey.accounts import passkeys, second_factors, steps
from latchkey.accounts.upstream import identities
from latchkey.loading import Late
from latchkey.safety import second_factor
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.fields import NO_CODE
from portal.guards import acting_user, asked_next, owes_setup, require_proof, this_session, this_user, verified
from portal.settings.page import show_codes

if TYPE_CHECKING:
    import segno
else:
    segno = Late("segno")

SEALED_AS = "authenticator"
LONGEST_SEALED = 2000


class SetUpForm(FlaskForm):
    """The key that the page showed, sealed, and a code that the app made with it."""

    shown = HiddenField(validators=[InputRequired(), Length(max=LONGEST_SEALED)])
    code = StringField("Code", [InputRequired("Type the six digits that the app shows.")], id="app-code")


@blueprint.get("/settings/security")
@verified
def security() -> ResponseReturnValue:
    """What there is beside the password."""
    user = this_user()
    app = second_factors.find(user)
    return render_template(
        "portal/settings/security.html",
        app=app,
        passkeys=passkeys.list_for(user),
        can_have_passkeys=passkeys.party() is not None,
        left=second_factors.codes_left(user),
        owes=owes_setup(),
        owes_to_administer=user.is_admin and owes_setup(to_administer=True),
        linked=identities.list_for(user),
        next_path=asked_next(),
    )


def _seal(key: str) -> str:
    return vault.seal_as(SEALED_AS, json.dumps([this_session().id, key, clock.now().timestamp()]))


def _shown(sealed: str) -> str | None:
    """The key that a page of this session showed in the last ten minutes."""
    opened = vault.unseal_as(SEALED_AS, sealed)
    if opened is None:
        return None
    session_id, key, at = json.loads(opened)
    fresh = at > (clock.now() - steps.LIFETIME).timestamp()
    return key if fresh and session_id == this_session().id else None


@blueprint.route("/settings/security/authenticator", methods=["GET", "POST"])
@verified
def set_up_authenticator() -> ResponseReturnValue:
    """A new key, and the code that shows that the app has it. Nothing is stored before."""
    require_proof()
    form = SetUpForm()
    key = _shown(form.shown.data or "") if form.validate_on_submit() else None
    if form.is_submitted() and not form.errors and key is None:
        flash("That took too long. Here is a new key.")
        return redirect(url_for("portal.set_up_authenticator", next=asked_next()), 303)
    if key is not None:
        codes = second_factor.set_up_app(acting_user(), key, form.code.data or "", keep=this_session())
        db.commit()
        if codes is not None:
            flash("Your authenticator app is set up. Other browsers are signed out.")
            return show_codes(codes) if codes else redirect(url_for("portal.security"), 303)
        form.code.errors = [NO_CODE]
    return _set_up_page(form, key or _shown(form.shown.data or "") or second_factors.new_key())


def _set_up_page(form: SetUpForm, key: str) -> ResponseReturnValue:
    form.shown.data = _seal(key)
    uri = second_factors.uri(key, this_user(), settings.current().brand_name)
    page = render_template(
        "portal/settings/authenticator.html",
        form=form,
        next_path=asked_next(),
        replaces=second_factors.protects(this_user()),
        key=" ".join(key[at : at + 4] for at in range(0, len(key), 4)),
        qr=Markup(segno.make(uri, micro=False).svg_inline(omitsize=True)),  # noqa: S704 - drawn here, of modules alone
    )
    return page, 422 if form.is_submitted() else 200


@blueprint.route("/settings/security/recovery-codes", methods=["GET", "POST"])
@verified
def renew_recovery_codes() -> ResponseReturnValue:
    """Ten new codes, shown once; those before stop working."""
    if not second_factors.protects(this_user()):
        return redirect(url_for("portal.security"), 303)
    require_proof()
    form = FlaskForm()
    if request.method == "POST" and form.validate():
        user = acting_user()
        if not second_factors.protects(user):
            db.rollback()
            return redirect(url_for("portal.security"), 303)
        codes = second_factor.new_codes(user)
        db.commit()
        return show_codes(codes)
    return _confirm(form, "Make new recovery codes", "The codes that you have stop working at once.", "Make new codes")


@blueprint.route("/settings/security/authenticator/remove", methods=["GET", "POST"])
@verified
def remove_authenticator() -> ResponseReturnValue:
    """Asks first; then its codes open nothing any more."""
    require_proof()
    form = FlaskForm()
    if request.method == "POST" and form.validate():
        second_factor.remove_app(acting_user())
        db.commit()
        flash("The authenticator app is removed.")
        return redirect(url_for("portal.security"), 303)
    text = "Its codes no longer work."
    if not passkeys.any_of(this_user()):
        text = "Then your password alone lets somebody in. Your recovery codes stop working, too."
    return _confirm(form, "Remove the authenticator app", text, "Remove the app")


def _confirm(form: FlaskForm, title: str, text: str, button: str) -> ResponseReturnValue:
    page = render_template("portal/settings/security_confirm.html", form=form, title=title, text=text, button=button)
    return page, 422 if form.is_submitted() else 200

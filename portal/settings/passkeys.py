"""/settings/security/passkeys: adding, naming and removing them. Each but the name takes fresh proof (L-09, L-13)."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import Field, StringField, ValidationError

from latchkey import notices, texts
from latchkey.accounts import passkeys
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.upstream import identities
from latchkey.safety import second_factor
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.fields import NO_PASSKEY, PasskeyForm, ask_to_register
from portal.guards import acting_user, asked_next, require_proof, this_session, this_user, verified
from portal.settings.page import show_codes


class NameForm(FlaskForm):
    """What its owner knows a passkey by."""

    name = StringField("Name", id="passkey-name")

    def validate_name(self, field: Field) -> None:
        """What the domain keeps as a name."""
        if not (field.data or "").strip():
            raise ValidationError("Name it, so that you know which one it is.")
        try:
            field.data = texts.line(field.data, passkeys.LONGEST_NAME)
        except texts.BadText as fault:
            raise ValidationError(str(fault)) from None


class AddForm(NameForm, PasskeyForm):
    """A new passkey, and its name."""


@blueprint.route("/settings/security/passkeys/new", methods=["GET", "POST"])
@verified
def add_passkey() -> ResponseReturnValue:
    """The name; then the browser asks for the passkey, by a script."""
    require_proof()
    form = AddForm(data={"name": notices.device(request.user_agent.string)})
    if form.validate_on_submit():
        if (added := _add(form)) is not None:
            return added
        db.rollback()
    question = ask_to_register(this_session().id, this_user())
    page = render_template("portal/settings/passkey.html", form=form, question=question, next_path=asked_next())
    return page, 422 if form.is_submitted() else 200


def _add(form: AddForm) -> ResponseReturnValue | None:
    answer = form.answer(Purpose.REGISTER, this_session().id)
    if answer is None:
        form.refusal = NO_PASSKEY
        return None
    try:
        codes = second_factor.add_passkey(acting_user(), answer, form.name.data or "", keep=this_session())
    except passkeys.Refused:
        form.refusal = NO_PASSKEY
        return None
    except passkeys.TooManyPasskeys:
        form.refusal = f"You have {passkeys.MOST} passkeys. Remove one first."
        return None
    db.commit()
    flash(f"Added the passkey “{form.name.data}”.")
    if codes:
        return show_codes(codes)
    return redirect(asked_next() or url_for("portal.security"), 303)


def _mine(passkey_id: str) -> Passkey:
    return passkeys.get_for(this_user(), passkey_id) or abort(404)


@blueprint.route("/settings/security/passkeys/<id:passkey_id>/rename", methods=["GET", "POST"])
@verified
def rename_passkey(passkey_id: str) -> ResponseReturnValue:
    """Call it something else."""
    passkey = _mine(passkey_id)
    form = NameForm(data={"name": passkey.name})
    if form.validate_on_submit():
        acting_user()
        passkeys.rename(passkey, form.name.data or "")
        db.commit()
        flash(f"It is called “{passkey.name}” now.")
        return redirect(url_for("portal.security"), 303)
    page = render_template("portal/settings/passkey_rename.html", form=form, passkey=passkey)
    return page, 422 if form.is_submitted() else 200


@blueprint.route("/settings/security/passkeys/<id:passkey_id>/remove", methods=["GET", "POST"])
@verified
def remove_passkey(passkey_id: str) -> ResponseReturnValue:
    """Asks first; then it opens nothing any more."""
    passkey = _mine(passkey_id)
    require_proof()
    form = FlaskForm()
    if form.validate_on_submit():
        user, name = acting_user(), passkey.name
        try:
            second_factor.remove_passkey(user, passkey)
        except identities.LastWayIn:
            db.rollback()
            flash("This is the only way into your account. Add another one first.")
        else:
            db.commit()
            flash(f"Removed the passkey “{name}”.")
        return redirect(url_for("portal.security"), 303)
    page = render_template(
        "portal/settings/security_confirm.html",
        form=form,
        title=f"Remove the passkey “{passkey.name}”",
        text="It no longer signs in here. Delete it in your browser or on your key, too.",
        button="Remove the passkey",
        removes=True,
    )
    return page, 422 if form.is_submitted() else 200

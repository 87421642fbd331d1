"""Changing the e-mail address: asked for with fresh proof, confirmed at the new address, told at the old (L-08)."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from latchkey import domains
from latchkey.accounts import emails, links, users
from latchkey.accounts.links import Purpose
from latchkey.safety import mailed
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.guards import (
    absolute,
    acting_user,
    belongs_to_another,
    other_account,
    require_proof,
    signed_in,
    this_session,
)
from portal.settings import page as settings_page
from portal.settings.page import EmailForm


@blueprint.post("/settings/email")
@signed_in
def change_email() -> ResponseReturnValue:
    """Mail a link to the new address; nothing changes until it is opened."""
    form = EmailForm()
    if not form.validate():
        return settings_page.show(422, email=form)
    require_proof()
    email = form.email.data or ""
    mailed.ask_for_change(this_session(), email, lambda plaintext: absolute("portal.confirm_email", token=plaintext))
    db.commit()
    flash(f"Check your e-mail: a link to confirm the change is on its way to {domains.shown_address(email)}.")
    return redirect(url_for("portal.settings", _anchor="email"), 303)


def _may_have(email: str) -> bool:
    """Which addresses accounts may have can have changed since the link was asked for."""
    try:
        emails.check_allowed(email)
    except emails.SignupClosed:
        return False
    return True


def _spent(*, taken: bool = False) -> ResponseReturnValue:
    return render_template("portal/settings/email_spent.html", taken=taken), 410


@blueprint.route("/confirm-email/<token>", methods=["GET", "POST"])
@signed_in
def confirm_email(token: str) -> ResponseReturnValue:
    """The link from the mail. Opening it changes nothing: a mail scanner at a mistyped address opens it too."""
    link = links.peek(token, Purpose.CHANGE_EMAIL)
    if link is None or not _may_have(link.email):
        return _spent()
    if belongs_to_another(link):
        return other_account("confirms an address")
    if request.method != "POST":
        return render_template("portal/settings/email_confirm.html", form=FlaskForm(), link=link, token=token)
    return _change(token)


def _change(token: str) -> ResponseReturnValue:
    """Take the new address; only one of two changes at a time can win."""
    user = acting_user()
    try:
        changed = mailed.change(user, token)
    except users.EmailTaken:
        db.commit()
        return _spent(taken=True)
    if not changed:
        db.rollback()
        return _spent()
    db.commit()
    flash(f"Your e-mail address is now {domains.shown_address(user.email)}.")
    return redirect(url_for("portal.settings", _anchor="email"), 303)

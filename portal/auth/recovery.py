"""A forgotten password: asking for a link, and choosing a new one with it."""

from flask import Response, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, PasswordField
from wtforms.validators import InputRequired

from latchkey import notices, origin, settings
from latchkey.accounts import limits, links, passwords, second_factors, users
from latchkey.accounts.links import Link, Purpose
from latchkey.safety import lockdown, signin
from latchkey.store.session import db
from portal import devices
from portal.blueprint import blueprint
from portal.fields import Address
from portal.guards import asked_next, belongs_to_another, by_password, mail_link, other_account

# Where the link's secret waits between the mail and the form: in the cookie, out of the address bar (L-06).
PLACE = "reset_link"


class ForgotForm(FlaskForm):
    """Whose password is forgotten."""

    email = EmailField("Email", [InputRequired("Write your e-mail address."), Address()])


class ResetForm(FlaskForm):
    """The new password."""

    password = PasswordField("New password", [InputRequired("Choose a password.")])
    revoke = BooleanField("Also revoke my tokens and the access of apps")


@blueprint.route("/forgot-password", methods=["GET", "POST"])
@by_password
def forgot_password() -> ResponseReturnValue:
    """Ask for a link; the answer is alike for every address (L-04)."""
    if not settings.current().sends_mail:
        because = "no link would reach you"
        return render_template("portal/no_mail.html", heading="No letter can be sent yet", because=because), 503
    form, next_path = ForgotForm(), asked_next()
    if not form.validate_on_submit():
        page = render_template("portal/recovery/forgot.html", form=form, next_path=next_path)
        return page, 422 if form.is_submitted() else 200
    email = form.email.data or ""
    mail_link(Purpose.RESET_PASSWORD, email, "portal.open_reset", next_path)
    return render_template("portal/recovery/sent.html", email=email, next_path=next_path)


@blueprint.get("/reset-password/<token>")
@by_password
def open_reset(token: str) -> ResponseReturnValue:
    """The link from the mail. Changes nothing; takes its secret out of the address bar (L-06)."""
    if request.method == "HEAD":
        return Response()
    session[PLACE] = token[:100]
    return redirect(url_for("portal.reset_password"), 303)


@blueprint.route("/reset-password", methods=["GET", "POST"])
@by_password
def reset_password() -> ResponseReturnValue:
    """Choose the new password."""
    plaintext = session.get(PLACE, "")
    link = links.peek(plaintext, Purpose.RESET_PASSWORD)
    if link is None:
        return _spent()
    if belongs_to_another(link):
        answer = other_account("sets a new password")
        session[PLACE] = plaintext  # whoever signs out here goes on with the link
        return answer
    form = ResetForm()
    if form.validate_on_submit():
        try:
            prepared = users.prepare_password(link.user, form.password.data or "")
        except passwords.WeakPassword as weak:
            form.password.errors = [str(weak)]
        else:
            # Hashing took its time: only now is it seen who comes first.
            redeemed = links.redeem(plaintext, Purpose.RESET_PASSWORD)
            return _spent() if redeemed is None else _reset(redeemed, prepared, revoke=form.revoke.data)
    page = render_template("portal/recovery/reset.html", form=form, email=link.user.email)
    return page, 422 if form.is_submitted() else 200


def _reset(link: Link, prepared: str, *, revoke: bool) -> ResponseReturnValue:
    user = link.user
    if not user.verified and link.email == user.email:
        # The link was read in the mailbox, which is all that the other one would show.
        signin.prove_address(user)
    lockdown.change_password(user, prepared, revoke=revoke)
    notices.password_reset(user)
    db.commit()
    limits.recovered(user, network=origin.current.get().network)
    session.clear()
    flash("Your password is changed. Sign in with the new one.")
    response = redirect(url_for("portal.sign_in", next=link.next_path), 303)
    devices.remember(response, user, half=second_factors.protects(user))
    return response


def _spent() -> ResponseReturnValue:
    db.rollback()
    session.pop(PLACE, None)
    return render_template("portal/recovery/spent.html"), 410

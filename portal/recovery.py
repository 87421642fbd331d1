"""A forgotten password: asking for a link, and choosing a new one with it."""

from flask import Response, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, PasswordField
from wtforms.validators import InputRequired

from latchkey import activity, grants, links, notices, passwords, sessions, throttle, tokens, users
from latchkey.db import db
from latchkey.links import Link, Purpose
from latchkey.users import User
from portal.blueprint import blueprint
from portal.fields import Address
from portal.guards import absolute

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
def forgot_password() -> ResponseReturnValue:
    """Ask for a link; the answer is alike for every address (L-04)."""
    form = ForgotForm()
    if not form.validate_on_submit():
        page = render_template("portal/recovery/forgot.html", form=form)
        return page, 422 if form.is_submitted() else 200
    email = form.email.data or ""
    ask(email)
    return render_template("portal/recovery/sent.html", email=email)


def ask(email: str) -> None:
    """Mail a link to the user of an address; for anybody else the same work is done and forgotten. Commits."""
    counted = (f"letters:{users.key(email)}", f"letters-from:{activity.origin.get().network}")
    wait = max(throttle.hit(counted[0], *throttle.LETTERS), throttle.hit(counted[1], *throttle.PER_ADDRESS))
    if wait:
        abort(429, retry_after=wait)
    user = users.find_by_email(email)
    known = user is not None and user.disabled_at is None
    receiver = user if known and user is not None else users.stand_in(email)
    plaintext = links.issue(receiver, Purpose.RESET_PASSWORD)
    notices.password_reset_asked(receiver, absolute("portal.open_reset", token=plaintext))
    if known:
        db.commit()
    else:
        db.rollback()


@blueprint.get("/reset-password/<token>")
def open_reset(token: str) -> ResponseReturnValue:
    """The link from the mail. Changes nothing; takes its secret out of the address bar (L-06)."""
    if request.method == "HEAD":
        return Response()
    session[PLACE] = token[:100]
    return redirect(url_for("portal.reset_password"), 303)


@blueprint.route("/reset-password", methods=["GET", "POST"])
def reset_password() -> ResponseReturnValue:
    """Choose the new password."""
    plaintext = session.get(PLACE, "")
    link = links.peek(plaintext, Purpose.RESET_PASSWORD)
    if link is None:
        return _spent()
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
    users.store_password(user, prepared)
    if not user.verified and link.email == user.email:
        # The link was read in the mailbox, which is all that the other one would show.
        users.verify_email(user, link.email)
        notices.email_verified(user)
    sessions.end_all(user)
    for purpose in (Purpose.CHANGE_EMAIL, Purpose.VERIFY_EMAIL):
        links.cancel(user, purpose)
    if revoke:
        revoke_everything(user)
    notices.password_reset(user)
    db.commit()
    session.clear()
    flash("Your password is changed. Sign in with the new one.")
    return redirect(url_for("portal.sign_in"), 303)


def revoke_everything(user: User) -> None:
    """End every token of a user and take back the access of every app."""
    for authorization in grants.list_for(user):
        if grants.withdraw(authorization):
            notices.authorization_withdrawn(user, authorization.client, by_user=True)
    notices.all_tokens_revoked(user, tokens.revoke_all(user))


def _spent() -> ResponseReturnValue:
    db.rollback()
    session.pop(PLACE, None)
    return render_template("portal/recovery/spent.html"), 410

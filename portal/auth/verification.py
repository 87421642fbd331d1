"""Proving that an e-mail address is one's own: asking for the link again, opening it, and pressing its button."""

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import EmailField
from wtforms.validators import InputRequired

from latchkey.accounts import links
from latchkey.accounts.links import Link, Purpose
from latchkey.safety import signin
from latchkey.store.session import db
from portal.auth import arrival, proofs, waiting_app
from portal.blueprint import blueprint
from portal.fields import Address
from portal.guards import (
    asked_next,
    belongs_to_another,
    leave,
    mail_link,
    other_account,
    this_session,
    this_user,
)


class ResendForm(FlaskForm):
    """Where a new link should go."""

    email = EmailField("Email", [InputRequired("Write your e-mail address."), Address()])


@blueprint.get("/verify-email")
def ask_verification() -> ResponseReturnValue:
    """What waits for the address to be verified, and another link for it."""
    if current_user.is_authenticated and this_user().verified:
        return redirect(asked_next() or url_for("portal.welcome"), 303)
    return render_template("portal/verification/index.html", form=ResendForm(formdata=None), next_path=asked_next())


@blueprint.post("/verify-email")
def resend_verification() -> ResponseReturnValue:
    """Mail the link again. Signed out, the answer is alike for every address (L-04)."""
    next_path = asked_next()
    if current_user.is_authenticated:
        user = this_user()
        if not user.verified:
            mail_link(Purpose.VERIFY_EMAIL, user.email, "portal.verify_email", next_path)
            flash(f"A new link is on its way to {user.email}.")
        return redirect(url_for("portal.ask_verification", next=next_path), 303)
    form = ResendForm()
    if not form.validate():
        return render_template("portal/verification/index.html", form=form, next_path=next_path), 422
    email = form.email.data or ""
    mail_link(Purpose.VERIFY_EMAIL, email, "portal.verify_email", next_path)
    return render_template("portal/verification/sent.html", email=email, next_path=next_path)


@blueprint.route("/verify-email/<token>", methods=["GET", "POST"])
def verify_email(token: str) -> ResponseReturnValue:
    """The link from the mail. Opening it changes nothing: mail scanners do so too. Its button verifies (L-08)."""
    link = links.peek(token, Purpose.VERIFY_EMAIL)
    if link is None or link.user.verified or link.email != link.user.email:
        return spent(links.find(token, Purpose.VERIFY_EMAIL))
    if belongs_to_another(link):
        return other_account("verifies an address")
    if request.method != "POST":
        page = make_response(render_template("portal/verification/verify.html", email=link.email, form=FlaskForm()))
        waiting_app.let_lead_on(page, waiting_app.find(link.next_path))
        return page
    return _verify(token, link) if proofs.signed_up(link.user_id) else _to_sign_in(link)


def _verify(token: str, link: Link) -> ResponseReturnValue:
    """In the browser that signed up: verify, sign in, and lead to where the account was asked for."""
    opened = signin.enter_by_link(token, this_session() if current_user.is_authenticated else None)
    if opened is None:
        db.rollback()
        return spent(links.find(token, Purpose.VERIFY_EMAIL))
    return arrival.go_on(opened, link.next_path)


def _to_sign_in(link: Link) -> ResponseReturnValue:
    """In any other browser the password has to be given first, or the button would confirm a stranger's."""
    leave()
    response = redirect(url_for("portal.sign_in", next=link.next_path), 303)
    proofs.remember_press(response, link.id)
    return response


def spent(link: Link | None) -> ResponseReturnValue:
    """What became of a link that opens nothing any more; its own user simply goes on."""
    done = link is not None and link.user.verified
    if link is not None and done and current_user.is_authenticated and this_user().id == link.user_id:
        return redirect(link.next_path or url_for("portal.welcome"), 303)
    next_path = link.next_path if link is not None else None
    form = ResendForm(formdata=None, data={"email": link.email if link is not None else ""})
    return render_template("portal/verification/spent.html", form=form, done=done, next_path=next_path), 410

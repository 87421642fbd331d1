"""Signing in and out. Guessing is slowed by account, by network and everywhere (L-05)."""

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired

from latchkey import domains, settings
from latchkey.accounts import links, sessions
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.throttle import TooMany
from latchkey.safety import second_factor, signin
from latchkey.safety.signin import Proof
from latchkey.store.session import db
from portal import devices, drafts, fields
from portal.auth import arrival, proofs, waiting_app
from portal.blueprint import blueprint
from portal.fields import NO_PASSKEY, PasskeyForm, this_browser
from portal.guards import asked_next, leave


class SignInForm(FlaskForm):
    """Who wants to come in."""

    email = EmailField("Email", [InputRequired("Write your e-mail address.")])
    password = PasswordField("Password", [InputRequired("Write your password.")])


@blueprint.route("/login", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """The form, in the context of the app that waits if there is one."""
    next_path = asked_next()
    if current_user.is_authenticated and not waiting_app.asks_again(next_path):
        return redirect(next_path or url_for("portal.welcome"), 303)
    if request.method == "POST" and settings.current().passwords == "off":
        abort(404)
    form = SignInForm(data={"email": _prefilled()})
    refusal = ""
    if form.validate_on_submit():
        if let := _attempt((form.email.data or "").strip(), form.password.data or "", next_path):
            return let
        refusal = "E-mail or password is not right."
    return _page(form, next_path, 422 if form.is_submitted() else 200, refusal=refusal, sealed=_carried())


def show_for(sealed: str | None, next_path: str) -> Response:
    """The form in answer to another one, which met an ended session and is filled in again after signing in."""
    return _page(SignInForm(formdata=None), next_path, 401, sealed=sealed, interrupted=True)


def _carried() -> str | None:
    """The form that waits for this sign-in."""
    sealed = request.form.get("kept")
    return sealed if drafts.unseal(sealed) is not None else None


def _prefilled() -> str:
    waits = links.among(proofs.pressed(), signin.VERIFY)
    return domains.shown_address(waits[0].email) if waits else ""


def _page(form: SignInForm, next_path: str | None, status: int, **more: object) -> Response:
    app = waiting_app.find(next_path)
    page = render_template(
        "portal/signin/index.html",
        form=form,
        next_path=next_path,
        app=app,
        device=waiting_app.is_a_device(next_path),
        question=fields.ask(Purpose.SIGN_IN, this_browser()),
        one_more_step=bool(links.among(proofs.pressed(), signin.VERIFY)),
        open_to_all=settings.current().signup != "invite" and settings.current().passwords == "on",
        **more,
    )
    response = make_response(page, status)
    waiting_app.let_lead_on(response, app)
    return response


def _attempt(email: str, password: str, next_path: str | None) -> ResponseReturnValue | None:
    """Let somebody in by their password; None, after leaving a trace, if it is not right. 429 after too many."""
    try:
        proof = signin.attempt(email, password, devices.known_to_password)
    except TooMany:
        db.commit()
        raise
    if proof is None:
        db.commit()
        return None
    try:
        return let_in(proof, next_path)
    except sessions.NotOpened:
        db.rollback()
        return None


@blueprint.post("/login/passkey")
def sign_in_by_passkey() -> ResponseReturnValue:
    """Let somebody in by a passkey alone, which their device asked who they are for."""
    form, next_path = PasskeyForm(), asked_next()
    answer = form.answer(Purpose.SIGN_IN, this_browser()) if form.validate() else None
    entered = second_factor.enter_alone(answer, devices.known) if answer is not None else None
    if entered is not None:
        opened, right = entered
        return arrival.go_on(opened, next_path, _carried(), right)
    db.commit()
    return _page(SignInForm(formdata=None), next_path, 422, refusal=NO_PASSKEY, sealed=_carried())


def let_in(proof: Proof, next_path: str | None) -> ResponseReturnValue:
    """Open a session for this browser and go on, or ask for the second factor. Commits."""
    opened, right = signin.enter(proof, proofs.pressed())
    return arrival.go_on(opened, next_path, _carried(), right)


@blueprint.post("/logout")
def sign_out() -> ResponseReturnValue:
    """End the session, here and in the browser (M-06)."""
    leave()
    response = redirect(url_for("portal.landing"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

"""Making an account. The answer is the same whether somebody has the address already or not (L-04)."""

from flask import make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import EmailField, Field, PasswordField, StringField, ValidationError
from wtforms.validators import InputRequired

from latchkey import origin, settings
from latchkey.accounts import emails, limits
from latchkey.safety import mailed
from latchkey.store.session import db
from portal.auth import proofs, waiting_app
from portal.blueprint import blueprint
from portal.fields import Address, Name, NewPassword
from portal.guards import absolute, asked_next, by_password


class SignUpForm(FlaskForm):
    """Who wants an account."""

    name = StringField("Name", [InputRequired("Write your name."), Name()])
    email = EmailField("Email", [InputRequired("Write your e-mail address."), Address()])
    password = PasswordField(
        "Password",
        [
            InputRequired("Choose a password."),
            NewPassword(lambda form: (form.email.data or "", form.name.data or "")),
        ],
    )

    def validate_email(self, field: Field) -> None:
        """Only whom this installation lets in."""
        try:
            emails.check_sign_up(field.data)
        except emails.SignupClosed as closed:
            raise ValidationError(str(closed)) from None


@blueprint.route("/signup", methods=["GET", "POST"])
@by_password
def sign_up() -> ResponseReturnValue:
    """The form, then "Check your e-mail"."""
    if not settings.current().sends_mail:
        because = "it cannot confirm your address"
        return render_template("portal/no_mail.html", heading="Nobody can sign up yet", because=because), 503
    next_path = asked_next()
    if current_user.is_authenticated:
        return redirect(next_path or url_for("portal.welcome"), 303)
    form = SignUpForm()
    if settings.current().signup == "invite":
        return render_template("portal/signup/closed.html"), 403 if form.is_submitted() else 200
    if form.is_submitted():
        limits.sign_up_form(origin.current.get().network)
    if not form.validate_on_submit():
        app = waiting_app.find(next_path)
        page = render_template("portal/signup/index.html", form=form, next_path=next_path, app=app)
        return page, 422 if form.is_submitted() else 200
    limits.sign_up(origin.current.get().network)
    email = form.email.data or ""
    user_id = mailed.sign_up(form.name.data or "", email, form.password.data or "", _verification, next_path=next_path)
    db.commit()
    response = make_response(render_template("portal/verification/sent.html", email=email, next_path=next_path))
    proofs.remember_sign_up(response, user_id)
    return response


def _verification(plaintext: str) -> str:
    return absolute("portal.verify_email", token=plaintext)

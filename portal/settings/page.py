"""What the Settings page is put together from: its forms, and the page with one of them filled in."""

from flask import make_response, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, Field, PasswordField, StringField, ValidationError
from wtforms.validators import AnyOf, InputRequired

from latchkey.accounts import emails, links, passwords, sessions
from latchkey.accounts.links import Purpose
from portal import devices, drafts
from portal.fields import Address, Name, NewPassword
from portal.guards import asked_next, enter, this_session, this_user
from portal.theme import THEMES, chosen


class ProfileForm(FlaskForm):
    """What others see of a person."""

    name = StringField("Name", [InputRequired("Write your name."), Name(ours=lambda: this_user().is_admin)])


class ThemeForm(FlaskForm):
    """Light, dark, or as the system says."""

    theme = StringField("Theme", [AnyOf(THEMES, "Choose one of these.")])


class RemindersForm(FlaskForm):
    """Which letters are sent that nobody needs."""

    reminders = BooleanField("E-mail me before a token expires")


class EmailForm(FlaskForm):
    """Where mail goes from now on."""

    email = EmailField("New e-mail address", [InputRequired("Write the new address."), Address()], id="new-email")

    def validate_email(self, field: Field) -> None:
        """Another one than now, that accounts here may have."""
        if field.data == this_user().email:
            raise ValidationError("This is your address already.")
        try:
            emails.check_allowed(field.data)
        except emails.SignupClosed as closed:
            raise ValidationError(str(closed)) from None


class PasswordForm(FlaskForm):
    """Another password."""

    current = PasswordField("Current password", [InputRequired("Write your current password.")])
    password = PasswordField(
        "New password",
        [InputRequired("Choose a password."), NewPassword(lambda _form: (this_user().email, this_user().name))],
        id="new-password",
    )
    revoke = BooleanField("Also revoke my tokens and the access of apps")


class DeleteForm(FlaskForm):
    """Being sure."""

    email = EmailField("Your e-mail address", [InputRequired("Type your e-mail address.")], id="delete-email")

    def validate_email(self, field: Field) -> None:
        """The address of the account that would be gone."""
        if emails.key(field.data or "") != emails.key(this_user().email):
            raise ValidationError("This is not the address of this account.")


def show(status: int = 200, **filled: FlaskForm) -> tuple[str, int]:
    """The page with the forms given, as they were sent, and all others fresh."""
    user = this_user()
    kinds: dict[str, type[FlaskForm]] = {
        "profile": ProfileForm,
        "theme": ThemeForm,
        "reminders": RemindersForm,
        "email": EmailForm,
        "password": PasswordForm,
        "delete": DeleteForm,
    }
    known: dict[str, dict[str, object]] = {
        "profile": {"name": user.name},
        "theme": {"theme": chosen()},
        "reminders": {"reminders": user.reminders},
    }
    forms = {
        name: filled.get(name) or kind(formdata=drafts.typed(f"/settings/{name}"), data=known.get(name))
        for name, kind in kinds.items()
    }
    page = render_template(
        "portal/settings/index.html",
        forms=forms,
        themes=THEMES,
        sessions=sessions.list_live(user),
        here=this_session().id,
        has_password=passwords.usable(user.password_hash),
        change=links.waiting(user, Purpose.CHANGE_EMAIL),
    )
    return page, status


def show_codes(codes: list[str]) -> ResponseReturnValue:
    """The page that shows them this once, in a browser that stays known when all others are not."""
    enter(this_session())
    response = make_response(
        render_template("portal/settings/recovery_codes.html", codes=codes, next_path=asked_next())
    )
    devices.remember(response, this_user())
    return response

"""The page behind the link of an invitation: choosing a name and a password makes the account."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from latchkey import origin, settings
from latchkey.accounts import limits, users
from latchkey.accounts.sessions import How
from latchkey.oversight import invitations
from latchkey.oversight.invitations import Invitation
from latchkey.safety import signin
from latchkey.store.session import db
from portal.auth import arrival
from portal.auth.upstream import asking
from portal.blueprint import blueprint
from portal.fields import Name, NewPassword
from portal.guards import leave

TAKEN = "There is an account for this address already. Sign in instead."


class InvitationForm(FlaskForm):
    """Who the invited person is."""

    name = StringField("Name", [InputRequired("Write your name.")])
    password = PasswordField("Password", [InputRequired("Choose a password.")])

    def __init__(self, invitation: Invitation) -> None:
        super().__init__()
        # Whoever becomes an administrator may be called like the portal's people.
        self.name.validators = [*self.name.validators, Name(ours=lambda: invitation.as_admin)]
        known = NewPassword(lambda form: (invitation.email, form.name.data or ""))
        self.password.validators = [*self.password.validators, known]


def _over() -> ResponseReturnValue:
    return render_template("portal/invitation/over.html"), 410


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
def accept_invitation(token: str) -> ResponseReturnValue:
    """The form; sent, the account, signed in. Opening the link changes nothing: mail scanners do so too."""
    invitation = invitations.find(token)
    if invitation is None:
        return _over()
    if current_user.is_authenticated:
        if request.method == "POST" and request.form.get("do") == "sign-out":
            leave()
            return redirect(request.path, 303)
        page = render_template("portal/verification/other.html", does="makes an account")
        return page, 409 if request.method == "POST" else 200
    if request.form.get("do") == "upstream" and settings.current().upstream:
        return asking.leave(asking.Purpose.INVITATION, bound=token)
    if request.method == "POST" and settings.current().passwords == "off":
        abort(404)
    form = InvitationForm(invitation)
    if form.is_submitted():
        limits.sign_up_form(origin.current.get().network)
    if not form.validate_on_submit():
        page = render_template("portal/invitation/index.html", form=form, invitation=invitation)
        return page, 422 if form.is_submitted() else 200
    return _accept(invitation, form)


def _accept(invitation: Invitation, form: InvitationForm) -> ResponseReturnValue:
    try:
        user = invitations.accept(invitation, name=form.name.data or "", password=form.password.data or "")
    except invitations.InvitationOver:
        db.rollback()
        return _over()
    except users.EmailTaken:
        db.rollback()
        flash(TAKEN)
        return redirect(url_for("portal.sign_in"), 303)
    return arrival.go_on(signin.open_for(user, How.INVITATION))

"""People who were invited and have not come yet."""

from flask import Response, abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, EmailField
from wtforms.validators import InputRequired

from latchkey.accounts import users
from latchkey.oversight import invitations
from latchkey.oversight.listing import PAGE
from latchkey.store.session import db
from portal import drafts
from portal.admin.guard import asked, begin
from portal.blueprint import blueprint
from portal.fields import Address
from portal.guards import require_proof


class InviteForm(FlaskForm):
    """Whom to invite, and whether as an administrator."""

    email = EmailField("Email", [InputRequired("Write an e-mail address."), Address()])
    admin = BooleanField("As an administrator")


def _page(form: InviteForm, status: int = 200) -> Response:
    cursor = asked(("",), "inv").cursor
    rows = invitations.page(before=cursor, limit=PAGE + 1)
    more = rows[PAGE - 1].id if len(rows) > PAGE else None
    page = render_template("portal/admin/invitations/index.html", form=form, rows=rows[:PAGE], next_cursor=more)
    return Response(page, status)


@blueprint.get("/admin/invitations")
def admin_invitations() -> Response:
    """Those that wait, and the form."""
    return _page(InviteForm(formdata=drafts.typed()))


@blueprint.post("/admin/invitations")
def invite_person() -> BaseResponse:
    """Send a letter with a link that works for 7 days."""
    form = InviteForm()
    require_proof()
    if not form.validate():
        return _page(form, 422)
    begin()
    try:
        invitation = invitations.invite(form.email.data or "", admin=bool(form.admin.data))
    except users.EmailTaken:
        db.rollback()
        form.email.errors = ["A user has this address already."]
        return _page(form, 409)
    db.commit()
    flash(f"Invited {invitation.email}.")
    return redirect(url_for("portal.admin_invitations"), 303)


@blueprint.post("/admin/invitations/<id:invitation_id>/take-back")
def take_invitation_back(invitation_id: str) -> BaseResponse:
    """The link opens nothing any more."""
    invitation = invitations.get(invitation_id) or abort(404)
    require_proof()
    begin()
    taken = invitations.take_back(invitation)
    db.commit()
    flash(f"The invitation of {invitation.email} was taken back." if taken else "It was accepted meanwhile.")
    return redirect(url_for("portal.admin_invitations"), 303)

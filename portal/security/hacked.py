"""/hacked: one page, one confirmation; then the report, and the new password that is asked for first of all."""

from datetime import UTC, date, datetime, time, timedelta

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField, ValidationError
from wtforms.validators import AnyOf, InputRequired

from latchkey import clock, notices, origin
from latchkey.accounts import passwords, sessions, users
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.notices import doings
from latchkey.origin import Actor, Doer
from latchkey.oversight import invitations
from latchkey.safety import hacked, lockdown
from latchkey.safety.hacked import Left
from latchkey.store.session import db
from latchkey.upstream import endings
from portal import devices, drafts
from portal.blueprint import blueprint
from portal.fields import NewPassword, day
from portal.guards import (
    acting_user,
    by_password,
    enter,
    require_proof,
    signed_in,
    this_session,
    this_user,
)

SINCE = (
    ("today", "24 hours ago"),
    ("7", "7 days ago"),
    ("30", "30 days ago"),
    ("date", "On a date…"),
    ("none", "None"),
)
# So much earlier than here a day begins where it begins first: nobody says where whoever chooses one is.
AHEAD = timedelta(hours=14)
EARLIEST = date(2000, 1, 1)
# Of what was added or changed.
MOST_TOLD = 30
blueprint.add_app_template_filter(doings.told, "told")


class HackedForm(FlaskForm):
    """From which day on what was added or changed is undone."""

    since = StringField("Since", [AnyOf(dict(SINCE), "Choose one of these.")], default="7")
    since_date = StringField("First day")

    def validate_since_date(self, field: StringField) -> None:
        """A day, where one is to be chosen."""
        if self.since.data == "date" and self.first_day() is None:
            raise ValidationError("Choose a day that is not in the future.")

    def first_day(self) -> date | None:
        """The day that was written."""
        written = day(self.since_date.data)
        return written if written is not None and written <= _latest_day() else None

    def moment(self) -> datetime | None:
        """Since when; None undoes nothing."""
        if self.since.data == "today":
            return clock.now() - timedelta(days=1)
        days = {"7": 7, "30": 30}.get(self.since.data or "")
        first = clock.now().date() - timedelta(days=days) if days is not None else None
        first = self.first_day() if self.since.data == "date" else first
        return None if first is None else datetime.combine(max(first, EARLIEST), time(), UTC) - AHEAD


def _latest_day() -> date:
    """Which day it is where it is latest."""
    return (clock.now() + AHEAD).date()


class ChooseForm(FlaskForm):
    """The password from now on; the one before was ended."""

    password = PasswordField(
        "New password",
        [InputRequired("Choose a password."), NewPassword(lambda _form: (this_user().email, this_user().name))],
    )


@blueprint.route("/hacked", methods=["GET", "POST"])
def end_everything() -> ResponseReturnValue:
    """What would end, and the button that ends it."""
    if not current_user.is_authenticated:
        return _sign_in_first()
    if this_user().needs_password:
        return redirect(_report(_find(None)), 303)
    form = HackedForm(**drafts.filling())
    if not form.validate_on_submit():
        page = render_template(
            "portal/security/hacked.html",
            form=form,
            since=SINCE,
            today=_latest_day(),
            standing=hacked.standing(this_user(), this_session()),
            has_password=passwords.usable(this_user().password_hash),
            passkeys=hacked.passkeys_that_end(this_user(), this_session()),
            codes=hacked.codes_that_end(this_user()),
            lately=hacked.lately(this_user()),
            most_told=MOST_TOLD,
            invitations=len(invitations.sent_by(this_user())),
        )
        return page, 422 if form.errors else 200
    require_proof()
    user, since = acting_user(), form.moment()
    linked = hacked.identities_that_end(user, this_session(), since)
    event = hacked.end_everything(user, this_session(), since)
    for identity in linked:
        endings.unlink(user, identity, this_session())
    taken = _take_invitations_back(user)
    db.commit()
    enter(this_session())
    if taken:
        flash(f"Taken back: {taken} {'invitation' if taken == 1 else 'invitations'} that you had sent.")
    response = redirect(_report(event), 303)
    devices.remember(response, this_user())
    return response


def _take_invitations_back(user: User) -> int:
    """Whom a thief invited would come in as an administrator, for as long as this user is one. How many."""
    origin.act(Actor(Doer.ADMINISTRATOR, user.id, user.name))
    return sum(map(invitations.take_back, invitations.sent_by(user)))


def _sign_in_first() -> BaseResponse:
    """The way there, in words: whoever changed the password has locked its owner out of this page."""
    return redirect(url_for("portal.sign_in", next=url_for("portal.end_everything")), 303)


def _report(event: Event) -> str:
    return url_for("portal.show_report", day=f"{event.at:%Y-%m-%d}")


@blueprint.get("/hacked/report/<day>")
@signed_in
def show_report(day: str) -> ResponseReturnValue:
    """What ended on a day, and what it had done."""
    return _page(_find(day), ChooseForm(formdata=None))


def _find(day: str | None) -> Event:
    """The last report, or the last of a day."""
    reports = activity.list_for(this_user(), kinds=(EventKind.EVERYTHING_ENDED,))
    return next((event for event in reports if day in (None, f"{event.at:%Y-%m-%d}")), None) or abort(404)


def _page(event: Event, form: ChooseForm) -> ResponseReturnValue:
    addresses = [late for late in hacked.lately(this_user()) if late.left is Left.ADDRESS]
    page = render_template(
        "portal/security/report.html",
        event=event,
        detail=event.detail,
        form=form,
        linked=identities.usable(this_user()),
        # Whoever has changed it since has looked at it.
        old_address=addresses[0].name if addresses and addresses[0].at <= event.at else "",
        fresh=sessions.recently_authenticated(this_session()),
    )
    return page, 422 if form.errors else 200


@blueprint.post("/hacked/password")
@by_password
@signed_in
def choose_password() -> ResponseReturnValue:
    """The new password. Nobody is asked for the old one, which works no more: the proof of a moment ago counts."""
    if not this_user().needs_password or not sessions.recently_authenticated(this_session()):
        return redirect(url_for("portal.welcome"), 303)
    form = ChooseForm()
    if not form.validate():
        return _page(_find(None), form)
    prepared = users.prepare_password(this_user(), form.password.data or "")
    user = acting_user()
    if not user.needs_password:
        db.rollback()
        return redirect(url_for("portal.welcome"), 303)
    lockdown.change_password(user, prepared, keep=this_session())
    sessions.reauthenticate(this_session())
    notices.password_changed(user)
    db.commit()
    enter(this_session())
    flash("Your password is changed.")
    response = redirect(url_for("portal.welcome"), 303)
    devices.remember(response, user)
    return response

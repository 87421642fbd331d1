"""Settings: name, theme, password, and the end of an account."""

from flask import flash, redirect, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from latchkey import notices
from latchkey.accounts import sessions, users
from latchkey.safety import lockdown
from latchkey.store.session import commit_parts, db
from portal import devices, theme
from portal.blueprint import blueprint
from portal.guards import (
    acting_user,
    by_password,
    enter,
    password_is_right,
    require_proof,
    signed_in,
    this_session,
    this_user,
)
from portal.settings import page as settings_page
from portal.settings.page import DeleteForm, PasswordForm, ProfileForm, RemindersForm, ThemeForm


def _back(part: str, said: str) -> Response:
    flash(said)
    return redirect(url_for("portal.settings", _anchor=part), 303)


@blueprint.get("/settings")
@signed_in
def settings() -> ResponseReturnValue:
    """Everything on one page."""
    return settings_page.show()


@blueprint.get("/settings/<any(profile, theme, reminders, letters, email, password, sessions, delete):part>")
@signed_in
def show_settings(part: str) -> ResponseReturnValue:
    """A part of the page by its own address, which a form that was sent back leaves in the browser."""
    return redirect(url_for("portal.settings", _anchor="reminders" if part == "letters" else part), 303)


@blueprint.post("/settings/profile")
@signed_in
def change_profile() -> ResponseReturnValue:
    """Another name."""
    form = ProfileForm()
    if not form.validate():
        return settings_page.show(422, profile=form)
    user = acting_user()
    users.rename(user, form.name.data or "")
    notices.renamed(user)
    db.commit()
    return _back("profile", "Your name is changed.")


@blueprint.post("/settings/theme")
@signed_in
def change_theme() -> ResponseReturnValue:
    """Light, dark, or as the system says; kept by the browser alone."""
    form = ThemeForm()
    if not form.validate():
        return settings_page.show(422, theme=form)
    wanted = form.theme.data or "system"
    response = _back("theme", f"Theme: {theme.THEMES[wanted].lower()}.")
    theme.choose(response, wanted)
    return response


@blueprint.post("/settings/reminders")
@signed_in
def change_reminders() -> ResponseReturnValue:
    """Whether letters tell before a token expires."""
    form = RemindersForm()
    if not form.validate():
        return settings_page.show(422, reminders=form)
    users.set_reminders(acting_user(), on=bool(form.reminders.data))
    db.commit()
    return _back("reminders", "Reminders are on." if form.reminders.data else "Reminders are off.")


@blueprint.post("/settings/password")
@by_password
@signed_in
def change_password() -> ResponseReturnValue:
    """Another password: every other browser is signed out, and links that are out stop working (L-06, L-09)."""
    form = PasswordForm()
    if not form.validate():
        return settings_page.show(422, password=form)
    require_proof()
    if not password_is_right(form.current.data or ""):
        form.current.errors = ["This is not your password."]
        return settings_page.show(422, password=form)
    prepared = users.prepare_password(this_user(), form.password.data or "")
    user = acting_user()
    lockdown.change_password(user, prepared, keep=this_session(), revoke=bool(form.revoke.data))
    sessions.renew(this_session())
    notices.password_changed(user)
    db.commit()
    enter(this_session())
    also = " Your tokens and the access of apps are revoked." if form.revoke.data else ""
    response = _back("password", f"Your password is changed. Other browsers are signed out.{also}")
    devices.remember(response, user)
    return response


@blueprint.post("/settings/delete")
@signed_in
def delete_account() -> ResponseReturnValue:
    """Delete the account and everything in it, at once (L-12)."""
    form = DeleteForm()
    if not form.validate():
        return settings_page.show(422, delete=form)
    require_proof()
    lockdown.hold(this_user().id)
    user = acting_user()
    try:
        commit_parts(lockdown.delete(user))
    except lockdown.LastAdministrator:
        db.rollback()
        form.email.errors = ["You are the last administrator: make somebody else one first."]
        return settings_page.show(422, delete=form)
    session.clear()
    flash("Your account and everything in it is deleted.")
    response = redirect(url_for("portal.landing"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

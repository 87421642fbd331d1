"""A browser that proved all that was asked gets its session, and goes on to where it was led."""

from flask import flash, redirect, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from latchkey import notices, vault
from latchkey.accounts import limits, sessions
from latchkey.accounts.limits import UNCOUNTED, Tries
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.steps import Step
from latchkey.safety import signin
from latchkey.store.session import db
from portal import devices, drafts
from portal.guards import absolute, enter, this_session

# Where the browser keeps that it gave the password, until it is signed in.
STEP = "second_factor"
# What the links of letters about new browsers are signed for.
ENDS_SESSION = "end-session"


def go_on(
    opened: BrowserSession | Step, next_path: str | None = None, sealed: str | None = None, right: Tries = UNCOUNTED
) -> Response:
    """Give this browser the session that it earned, or ask for the second factor. Commits.

    `sealed` is the form that waits for this sign-in, `right` what counted the tries that led to it.
    """
    if isinstance(opened, Step):
        return _ask(opened, next_path, sealed, right)
    if current_user.is_authenticated:
        sessions.end(this_session())
    form = drafts.unseal(sealed)
    returns = form is not None and form.account == opened.user_id
    if returns:
        sessions.keep(opened, sealed)
    if devices.known(opened.user) is None and not signin.is_first(opened.user):
        notices.new_device(opened.user, opened, _ending(opened))
    limits.was_right(right)
    db.commit()
    enter(opened)
    if returns:
        flash("You are signed in again. Look it over, and send it once more.")
    response = redirect(next_path or url_for("portal.welcome"), 303)
    devices.remember(response, opened.user)
    return response


def _ending(opened: BrowserSession) -> str:
    """The address by which the letter about a new browser ends its session; it can do nothing else."""
    return absolute("portal.end_reported", token=vault.signer(ENDS_SESSION).dumps(opened.id))


def _ask(step: Step, next_path: str | None, sealed: str | None, right: Tries) -> Response:
    step.kept = sealed
    limits.was_right(right)
    db.commit()
    session[STEP] = step.plaintext
    return redirect(url_for("portal.ask_second_factor", next=next_path), 303)

"""Where one is signed in, and ending that."""

import json

from flask import abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from latchkey import notices
from latchkey.accounts import sessions
from latchkey.safety import lockdown
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.guards import acting_user, enter, signed_in, this_session
from web import htmx

# `Firefox on Linux`, as letters say it too.
blueprint.add_app_template_filter(notices.device, "device")
blueprint.add_app_template_filter(notices.signed_in_by, "signed_in_by")


@blueprint.post("/settings/sessions/<id:session_id>/end")
@signed_in
def end_session(session_id: str) -> ResponseReturnValue:
    """Sign out one browser."""
    user = acting_user()
    ended = sessions.get_for(user, session_id) or abort(404)
    sessions.end(ended)
    notices.session_ended(user, ended)
    db.commit()
    if ended.id == this_session().id:
        session.clear()
        return redirect(url_for("portal.landing"), 303)
    if htmx.wants_partial():
        row = render_template("portal/settings/_session.html", item=ended, here=this_session().id, ended=True)
        return row, {"HX-Trigger": json.dumps({"announce": {"value": "That browser is signed out."}})}
    flash("That browser is signed out.")
    return redirect(url_for("portal.settings", _anchor="sessions"), 303)


@blueprint.post("/settings/sessions/end-others")
@signed_in
def end_other_sessions() -> ResponseReturnValue:
    """Sign out every browser but this one, which gets a new id: whoever copied its cookie does not."""
    user, here = acting_user(), this_session()
    others = [other for other in sessions.list_live(user) if other.id != here.id]
    lockdown.sign_out(user, keep=here)
    sessions.renew(here)
    for other in others:
        notices.session_ended(user, other)
    db.commit()
    enter(here)
    flash("All other browsers are signed out." if others else "You were signed in nowhere else.")
    return redirect(url_for("portal.settings", _anchor="sessions"), 303)

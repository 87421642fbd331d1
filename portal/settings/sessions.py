"""Where one is signed in, and ending that."""

import json

from flask import Response, abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as BaseResponse

from latchkey import notices
from latchkey.accounts import sessions
from latchkey.accounts.sessions import BrowserSession
from latchkey.safety import lockdown
from latchkey.store.session import db
from portal import devices
from portal.blueprint import blueprint
from portal.guards import acting_user, enter, signed_in, this_session
from web import htmx

# `Firefox on Linux`, as letters say it too.
blueprint.add_app_template_filter(notices.device, "device")
blueprint.add_app_template_filter(notices.signed_in_by, "signed_in_by")


@blueprint.post("/settings/sessions/<id:session_id>/end")
@signed_in
def end_session(session_id: str) -> ResponseReturnValue:
    """Sign out one browser. When it is signed in again, it is a new one."""
    user = acting_user()
    ended = sessions.get_for(user, session_id) or abort(404)
    lockdown.end_session(user, ended)
    db.commit()
    if ended.id == this_session().id:
        session.clear()
        return redirect(url_for("portal.landing"), 303)
    response = _ended_row(ended) if htmx.wants_partial() else _back("That browser is signed out.")
    devices.remember(response, user)
    return response


def _ended_row(ended: BrowserSession) -> BaseResponse:
    row = render_template("portal/settings/_session.html", item=ended, here=this_session().id, ended=True)
    return Response(row, headers={"HX-Trigger": json.dumps({"announce": {"value": "That browser is signed out."}})})


def _back(said: str) -> BaseResponse:
    flash(said)
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
    response = _back("All other browsers are signed out." if others else "You were signed in nowhere else.")
    devices.remember(response, user)
    return response

"""/sessions/end/…: the link of the letter about a new browser; its button ends that session, whoever presses it."""

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from itsdangerous import BadSignature

from latchkey import clock, vault
from latchkey.accounts import sessions, users
from latchkey.accounts.sessions import BrowserSession
from latchkey.safety import lockdown
from latchkey.store.session import db
from portal import devices
from portal.auth import arrival
from portal.blueprint import blueprint


def _found(token: str) -> BrowserSession | None:
    try:
        session_id = vault.signer(arrival.ENDS_SESSION).loads(token)
    except BadSignature:
        return None
    found = db.get(BrowserSession, str(session_id))
    return found if found is not None and found.created_at > clock.now() - sessions.ABSOLUTE else None


@blueprint.route("/sessions/end/<token>", methods=["GET", "POST"])
def end_reported(token: str) -> ResponseReturnValue:
    """Opening it changes nothing: mail scanners do so too. Nobody need be signed in, who may be locked out."""
    found = _found(token)
    if found is None:
        return render_template("portal/signin/reported.html", item=None, ended=True), 410
    ended = found.ended_at is not None
    known = devices.known(found.user) is not None
    if request.method == "POST" and FlaskForm().validate() and not ended:
        lockdown.end_session(users.hold(found.user_id), found)
        db.commit()
        ended = True
    page = make_response(render_template("portal/signin/reported.html", item=found, ended=ended))
    if known:
        devices.remember(page, found.user)
    return page

"""The answer to a device: what was shown is granted, as far as it is allowed now, to the device that asked for it."""

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, notices, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import Client
from latchkey.grants import Choice
from latchkey.store.session import db
from latchkey.tokens.issued import crowd, device_answers
from latchkey.tokens.issued.device_codes import DeviceCode
from oauth.authorize import choosing, pending, stops
from oauth.blueprint import blueprint
from oauth.device.question import answering, field, question

OVER = "This code was answered before, or it has expired. Start again on your device."


@blueprint.post("/device/decision")
def decide_device() -> BaseResponse:
    """Once, by whoever typed the code, in the session that was asked. Sent twice it is answered alike."""
    here = answering()
    if not isinstance(here, BrowserSession):
        return here
    code = device_answers.asked(request.form.get("handle", ""), here)
    decision = request.form.get("decision")
    decision = decision if decision in ("allow", "switch") else "deny"
    if code is None:
        return _over()
    if decision == "switch":
        return _switch(code, here)
    client = clients.hold(code.client_id)
    if client is None or device_answers.over(code, client):
        return _over()
    if code.decided_at is None:
        answer = _deny(code, client, here) if decision == "deny" else _allow(code, client, here)
        if answer is not None:
            return answer
        db.rollback()
        code = device_answers.asked(request.form.get("handle", ""), here)
    return _done(client, decision) if code is not None and code.decision == decision else _over()


def _over() -> Response:
    db.rollback()
    return field("", OVER, 409)


def _done(client: Client, decision: str) -> Response:
    page = render_template("oauth/device/done.html", client=client, allowed=decision == "allow")
    db.commit()
    return Response(page, headers={"Cache-Control": "no-store"})


def _deny(code: DeviceCode, client: Client, here: BrowserSession) -> Response | None:
    if not device_answers.decide(code, "deny"):
        return None
    notices.authorization_denied(here.user, client)
    return _done(client, "deny")


def _allow(code: DeviceCode, client: Client, here: BrowserSession) -> Response | None:
    """Grant what was shown, or show it again if it is not what it was; None when it was answered meanwhile."""
    if pending.version(client, code.shown_scope) != code.version:
        return _again(code, client, here, choosing.CHANGED)
    offered = device_answers.left(code, client.askable)
    choice = choosing.chosen(scopes.held(code.optional_scope), offered)
    if not choice.scopes:
        return _again(code, client, here, choosing.NOTHING if offered else choosing.CHANGED)
    if not _granted(code, client, here, choice):
        return None
    return _done(client, "allow")


def _again(code: DeviceCode, client: Client, here: BrowserSession, why: str) -> Response | None:
    asked = question(code, client, here, again=why)
    db.commit()
    return asked


def _granted(code: DeviceCode, client: Client, here: BrowserSession, choice: Choice) -> bool:
    standing = grants.find_authorization(here.user, client)
    begun = grants.allow(here.user, client, choice.scopes, code.resource, declined=choice.declined, until=choice.until)
    crowd.make_room(begun)
    if not device_answers.decide(code, "allow", begun.id):
        return False
    notices.authorized(here.user, client, choice.scopes, first=standing is None)
    return True


def _switch(code: DeviceCode, here: BrowserSession) -> BaseResponse:
    """Not you? Sign out; the code is free for whoever signs in next."""
    device_answers.release(code)
    stops.leave(here)
    back = url_for("oauth.device", user_code=code.shown_code)
    response = redirect(url_for("portal.sign_in", next=back), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

"""The answer to the consent screen: exactly what was shown is granted, as far as it is still allowed."""

from dataclasses import replace
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidScopeError
from flask import Response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, notices, scopes
from latchkey.accounts import second_factors, waybacks
from latchkey.accounts.sessions import BrowserSession
from latchkey.grants import Grant
from latchkey.store.session import db
from oauth.authorize import choosing, granting, moments, pending, stops
from oauth.authorize import request as asking
from oauth.authorize.pending import PendingConsent
from oauth.authorize.question import present, question
from oauth.authorize.request import Asked, Stopped
from oauth.blueprint import blueprint
from oauth.protocol import answers, parties, scoping
from oauth.protocol.server import server
from oauth.token import codes
from oauth.token.flows import AuthorizationCodeFlow


@blueprint.post("/oauth/authorize")
def decide() -> BaseResponse:
    """All but the decision comes from what was frozen (B-13), and counts only while it holds (B-19).

    Sent twice, as by a second click, it leads to the same place twice.
    """
    here = present()
    if here is None or here.user.needs_password or second_factors.owes_setup(here.user, how=here.how):
        return stops.over("signed out")
    frozen = pending.find(request.form.get("handle", ""), here)
    if frozen is None or not frozen.young:
        return stops.over("unknown" if frozen is None else "old")
    decision = request.form.get("decision")
    decision = decision if decision in ("allow", "switch") else "deny"
    if frozen.decided_at is not None and frozen.decision != decision:
        return stops.over(f"answered {frozen.decision}", clients.find(frozen.client_id))
    if decision == "switch":
        stops.leave(here)
    clients.hold(frozen.client_id)
    try:
        asked = asking.understood(MultiDict(frozen.parameters))
        if decision == "switch":
            return _switch(asked)
        return _deny(asked, frozen, here) if decision == "deny" else _allow(asked, frozen, here)
    except Stopped as stopped:
        return stops.stop(stopped)
    except OAuth2Error as error:
        return stops.to_app(asked, error)


def _deny(asked: Asked, frozen: PendingConsent, here: BrowserSession) -> BaseResponse:
    """Back to where the page said that Cancel leads."""
    if asked.redirect_uri != frozen.redirect_uri:
        return stops.over("changed", asked.client)
    if frozen.decided_at is None:
        notices.authorization_denied(here.user, asked.client)
    error = answers.Denied(redirect_uri=asked.redirect_uri, state=asked.state)
    return _lead(frozen, "deny", server.handle_error_response(None, error))


def _allow(asked: Asked, frozen: PendingConsent, here: BrowserSession) -> BaseResponse:
    """Grant what was shown, or show it again if it is not what it was. Raises `Stopped`, `OAuth2Error`."""
    if asked.redirect_uri != frozen.redirect_uri or pending.version(asked.client, frozen.scope) != frozen.version:
        return _ask_again(asked, frozen, here, choosing.CHANGED)
    offered = frozen.scopes & parties.of(asked.client).scopes
    if not offered:
        raise InvalidScopeError(scoping.NONE_LEFT, redirect_uri=asked.redirect_uri, state=asked.state)
    narrowed = replace(asked, parameters=asked.parameters | {"scope": scopes.serialize(offered)})
    flow = asking.validate(narrowed)
    if frozen.decided_at is not None:
        return _allow_again(frozen, flow, here)
    standing = grants.find_authorization(here.user, asked.client)
    if not scopes.held(frozen.known_scope) <= (standing.agreed if standing is not None else frozenset()):
        return _ask_again(asked, frozen, here, choosing.TAKEN_BACK)
    choice = choosing.chosen(scopes.held(frozen.optional_scope), offered)
    if not choice.scopes:
        return _ask_again(asked, frozen, here, choosing.NOTHING)
    return _lead(frozen, "allow", granting.grant(asked, flow, here, choice))


def _ask_again(asked: Asked, frozen: PendingConsent, here: BrowserSession, why: str) -> BaseResponse:
    """The page is not what it has to be, or nothing was left ticked: nothing was agreed to yet."""
    if frozen.decided_at is not None:
        return stops.over("answered allow", asked.client)
    try:
        flow = asking.validate(asked)
    except OAuth2Error:
        return stops.over("changed", asked.client)
    db.delete(frozen)
    return question(asked, scopes.parse(str(flow.request.scope)), here, again=why)


def _allow_again(frozen: PendingConsent, flow: AuthorizationCodeFlow, here: BrowserSession) -> BaseResponse:
    """An answer that was sent twice leads to the same place: with the same code, or a new one if that was redeemed."""
    sent = parse_qs(urlsplit(frozen.location).query).get("code", [""])
    found = codes.find(sent[-1])
    if found is not None and not (found.consumed or found.expired or found.orphaned):
        return _lead(frozen, "allow", answers.lead(frozen.location))
    begun = db.get(Grant, found.grant_id) if found is not None else None
    if begun is None or not begun.live:
        return stops.over("answered allow", clients.find(frozen.client_id))
    return _lead(frozen, "allow", granting.lead_back(flow, here, begun))


def _lead(frozen: PendingConsent, decision: str, response: Response) -> Response:
    frozen.decide(decision, response.headers["Location"])
    db.commit()
    return response


def _switch(asked: Asked) -> BaseResponse:
    """Start the same request again."""
    if "login" in asked.prompts:
        moments.begin(asked)
    again = asked.parameters | {"resource": asked.resources}
    back = waybacks.carried(f"{request.path}?{urlencode(again, doseq=True, quote_via=quote)}")
    response = redirect(url_for("portal.sign_in", next=back), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

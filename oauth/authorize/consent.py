"""/oauth/authorize: sign-in first, then the consent screen unless it may be left out, then back to the app."""

from authlib.oauth2 import OAuth2Error
from flask import Response, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import BadMetadata, document_urls
from latchkey.fetching import NotFetched
from latchkey.grants import Choice, documented
from latchkey.store.session import db
from oauth.authorize import granting, moments, stops
from oauth.authorize import request as asking
from oauth.authorize.question import owed, present, question, this_session, way_back
from oauth.authorize.request import Asked, Stopped
from oauth.blueprint import blueprint
from oauth.token.flows import AuthorizationCodeFlow


@blueprint.get("/oauth/authorize")
def authorize() -> BaseResponse:
    """RFC 6749 §4.1.1. Everything is validated before anything is shown, and nothing leaves before sign-in (B-10).

    What decides is read under locks and acted on in the same transaction, also where nobody is asked.
    """
    if request.method == "HEAD":
        return Response()
    if document_urls.allowed(request.args.get("client_id", "")) and (unread := _read_document()) is not None:
        return unread
    here = present()
    if here is not None:
        clients.hold(request.args.get("client_id", ""))
    try:
        asked = asking.read()
    except Stopped as stopped:
        return stops.stop(stopped)
    try:
        grant = asking.validate(asked)
    except OAuth2Error as error:
        return _to_sign_in(asked) if here is None else stops.undecided(asked, error)
    return _signed_out(asked) if here is None else _signed_in(asked, grant, here)


def _read_document() -> BaseResponse | None:
    """Fetch the metadata document of an app, for signed-in users only: strangers cannot make us ask hosts (J-10).

    Nor does whoever owes something first, such as to prove an address: anybody signs up with one that is not theirs.
    Before anything is held, since that host may take its time. What to answer instead, where there is nothing to ask.
    """
    url, silent = request.args["client_id"], "none" in request.args.get("prompt", "").split()
    if not current_user.is_authenticated:
        if silent:
            return stops.stop(Stopped("nobody is signed in, and prompt=none lets nobody sign in"))
        back = way_back()
        too_long = stops.stop(Stopped("the address is too long")) if back is None else None
        return too_long or redirect(url_for("portal.sign_in", next=back), 303)
    first = owed(this_session())
    if first is not None:
        why = "the user has something to do here first, and prompt=none lets nobody do it"
        return stops.stop(Stopped(why)) if silent else redirect(first, 303)
    try:
        documented.bring_up_to_date(url, current_user.user_id)
    except (NotFetched, BadMetadata) as error:
        db.rollback()
        return stops.stop(Stopped(f"the app's metadata document cannot be used: {error}"))
    return None


def _signed_out(asked: Asked) -> BaseResponse:
    """Show a page instead of redirecting to an address that nobody here has vouched for (B-10, B-11)."""
    if "none" not in asked.prompts:
        return _to_sign_in(asked)
    if asked.client.trusted or grants.relied_on(asked.client):
        return stops.silent(asked, "login_required", "Nobody is signed in.")
    return stops.stop(Stopped("nobody is signed in, and prompt=none lets nobody sign in", asked.client))


def _signed_in(asked: Asked, grant: AuthorizationCodeFlow, here: BrowserSession) -> BaseResponse:
    """What a signed-in user has to do: nothing, give proof again, verify the address, or answer the consent screen."""
    wanted = scopes.parse(str(grant.request.scope))
    settled = grants.allows(here.user, asked.client, wanted)
    asks = "consent" in asked.prompts or not settled
    first = owed(here)
    if "none" in asked.prompts and (asks or first is not None):
        return stops.silent(asked, "consent_required", "The user has to agree first.")
    if "login" in asked.prompts and not moments.fresh(asked, here):
        return _to_sign_in(asked)
    if first is not None:
        db.commit()
        return redirect(first, 303)
    if asks:
        return question(asked, wanted, here)
    standing = grants.find_authorization(here.user, asked.client)
    until = standing.expires_at if standing is not None else None
    choice = Choice(settled, until=until, asked=False)
    response = granting.grant(asked, grant, here, choice)
    db.commit()
    return response


def _to_sign_in(asked: Asked) -> BaseResponse:
    back = way_back()
    if back is None:
        return stops.stop(Stopped("the address is too long", asked.client))
    db.commit()
    if "login" in asked.prompts:
        moments.begin(asked)
    return redirect(url_for("portal.sign_in", next=back), 303)

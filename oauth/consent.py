"""/oauth/authorize: sign-in first, then the consent screen unless it may be left out, then back to the app."""

from typing import cast
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Response, g, make_response, redirect, render_template, request, session, url_for
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clock, grants, notices, redirects, refusals, scopes, sessions
from latchkey.clients import Client
from latchkey.db import db
from latchkey.sessions import BrowserSession
from oauth import asking, pending
from oauth.asking import Asked, Stopped
from oauth.blueprint import blueprint
from oauth.flows import AuthorizationCodeFlow
from oauth.server import Request, server

# What a path to come back to may be long (portal.guards).
LONGEST_WAY_BACK = 4_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self' {origin}; frame-ancestors 'none'; base-uri 'none'"
)


class Unanswered(OAuth2Error):
    """prompt=none, and a person would have to do something (OpenID Connect Core §3.1.2.6)."""


@blueprint.get("/oauth/authorize")
def authorize() -> BaseResponse:
    """RFC 6749 §4.1.1. Everything is validated before anything is shown, and nothing leaves before sign-in (B-10)."""
    if request.method == "HEAD":
        return Response()
    try:
        asked = asking.read()
    except Stopped as stopped:
        return _stop(stopped)
    try:
        grant = asking.validate(asked)
    except OAuth2Error as error:
        return _answer(asked, error) if current_user.is_authenticated else _to_sign_in(asked)
    if not current_user.is_authenticated:
        if "none" in asked.prompts:
            return _silent(asked, "login_required", "Nobody is signed in.")
        return _to_sign_in(asked)
    here = cast("BrowserSession", current_user._get_current_object())  # noqa: SLF001 - the proxy's own way out
    return _ask(asked, grant, here)


def _ask(asked: Asked, grant: AuthorizationCodeFlow, here: BrowserSession) -> BaseResponse:
    """The signed-in person's part: nothing, the password again, the address to verify, or the question."""
    wanted = scopes.parse(str(grant.request.scope))
    asks = "consent" in asked.prompts or not grants.allows(here.user, asked.client, wanted)
    if "none" in asked.prompts and (asks or not here.user.verified):
        return _silent(asked, "consent_required", "The user has to agree first.")
    if "login" in asked.prompts and not _signed_in_since(here):
        return _to_sign_in(asked)
    if not here.user.verified:
        return redirect(url_for("portal.ask_verification", next=_way_back(asked)), 303)
    if not asks:
        return _grant(asked, grant, here, wanted)
    return _question(asked, here, wanted)


def _question(asked: Asked, here: BrowserSession, wanted: frozenset[str]) -> Response:
    standing = grants.find_authorization(here.user, asked.client)
    known = standing.scopes if standing is not None else frozenset()
    sessions.hold(here)
    handle = pending.freeze(asked.client, asked.parameters, here)
    db.commit()
    entries = [scope for scope in scopes.catalogue().values() if scope.name in wanted]
    page = render_template(
        "oauth/consent.html",
        client=asked.client,
        homepage=urlsplit(asked.client.homepage).netloc,
        user=here.user,
        reads=[scope for scope in entries if scope.access == "read"],
        writes=[scope for scope in entries if scope.access == "write"],
        known=known,
        handle=handle,
        destination=redirects.destination(asked.redirect_uri),
        lifetime_days=grants.ABSOLUTE.days,
    )
    response = make_response(page)
    origin = redirects.form_action(asked.redirect_uri)
    # N-05: Chromium holds the redirect that follows the form to the policy of the page that the form was on.
    response.headers["Content-Security-Policy"] = POLICY.format(origin=origin)
    return response


@blueprint.post("/oauth/authorize")
def decide() -> BaseResponse:
    """The answer to the question; all but the decision comes from what was frozen (B-13)."""
    if not current_user.is_authenticated:
        return _stop(Stopped("nobody is signed in"), over=True)
    here = cast("BrowserSession", current_user._get_current_object())  # noqa: SLF001 - the proxy's own way out
    frozen = pending.take(request.form.get("handle", ""), here)
    if frozen is None:
        db.rollback()
        return _stop(Stopped("the question was answered before, or is too old"), over=True)
    decision = request.form.get("decision")
    if decision == "switch":
        return _switch(here, frozen.parameters)
    try:
        # Client and redirect URI may have changed while the person was reading (B-19).
        asked = asking.understood(MultiDict(frozen.parameters))
        grant = asking.validate(asked)
    except Stopped as stopped:
        db.commit()
        return _stop(stopped)
    except OAuth2Error as error:
        db.commit()
        return _answer(asked, error)
    if decision == "allow" and here.user.verified:
        return _grant(asked, grant, here, scopes.parse(str(grant.request.scope)))
    notices.authorization_denied(here.user, asked.client)
    db.commit()
    return cast("Response", server.create_authorization_response(grant.request, None, grant))


def _grant(asked: Asked, grant: AuthorizationCodeFlow, here: BrowserSession, wanted: frozenset[str]) -> Response:
    """Let the app act, and lead back to it with a code, in one transaction."""
    sessions.hold(here)
    standing = grants.find_authorization(here.user, asked.client)
    new = standing is None or not wanted <= standing.scopes
    to_authlib = cast("Request", grant.request)
    to_authlib.grant, to_authlib.session = grants.allow(here.user, asked.client, wanted), here
    response = cast("Response", server.create_authorization_response(to_authlib, here.user, grant))
    if new or request.method == "POST":
        notices.authorized(here.user, asked.client, wanted, first=standing is None)
    db.commit()
    return response


def _switch(here: BrowserSession, parameters: dict[str, str]) -> BaseResponse:
    """Not you? Sign out, and start the same request again (K-08)."""
    notices.signed_out(here.user)
    sessions.end(here)
    db.commit()
    session.clear()
    response = redirect(url_for("portal.sign_in", next=f"{request.path}?{urlencode(parameters, quote_via=quote)}"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _signed_in_since(here: BrowserSession) -> bool:
    """Whether the password was given after this request was first seen; its time then rides along to sign-in."""
    seen = request.args.get("seen_at", "")
    return seen.isascii() and seen.isdecimal() and here.authenticated_at.timestamp() >= int(seen)


def _way_back(asked: Asked) -> str:
    query = request.query_string.decode("ascii", "replace")
    if "login" in asked.prompts and "seen_at" not in request.args:
        query += f"&seen_at={int(clock.now().timestamp())}"
    return f"{request.path}?{query}"


def _to_sign_in(asked: Asked) -> BaseResponse:
    back = _way_back(asked)
    if len(back) > LONGEST_WAY_BACK:
        return _stop(Stopped("the address is too long", asked.client))
    return redirect(url_for("portal.sign_in", next=back), 303)


def _silent(asked: Asked, error: str, description: str) -> Response:
    return _answer(asked, Unanswered(description, None, None, asked.state, asked.redirect_uri, error=error))


def _answer(asked: Asked, error: OAuth2Error) -> Response:
    """The error goes back to the app, and the reason into its owner's log."""
    response = server.handle_error_response(None, error)
    db.rollback()
    _keep(asked.client)
    return response


def _stop(stopped: Stopped, *, over: bool = False) -> Response:
    """The page that people see when there is nowhere to send an error."""
    if stopped.client is not None:
        g.refused = ("invalid_request", str(stopped))
        _keep(stopped.client)
    reference = request.environ.get("latchkey.request_id", "")
    page = render_template("oauth/stopped.html", reason=str(stopped), over=over, reference=reference)
    response = make_response(page, 400)
    response.headers["Cache-Control"] = "no-store"
    return response


def _keep(client: Client) -> None:
    refusals.record(client.id, "authorize", *g.refused)
    db.commit()

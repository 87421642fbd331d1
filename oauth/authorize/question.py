"""Who is asked, and the consent screen that asks them."""

from typing import cast

from flask import Response, make_response, render_template, request, url_for
from flask_login import current_user

from latchkey import addresses, grants
from latchkey.accounts import second_factors, sessions, waybacks
from latchkey.accounts.sessions import BrowserSession, SessionEnded
from latchkey.clients import redirects
from latchkey.notices import agreed
from latchkey.store.session import db
from oauth.authorize import pending
from oauth.authorize.pending import Shown
from oauth.authorize.request import Asked
from web import policy


def this_session() -> BrowserSession:
    """The session of the browser that asks, which is signed in."""
    return cast("BrowserSession", current_user._get_current_object())  # noqa: SLF001 - the proxy's own way out


def present() -> BrowserSession | None:
    """The session of this browser, if it has not ended; it and its user are locked until the commit."""
    if not current_user.is_authenticated:
        return None
    here = this_session()
    try:
        sessions.hold(here)
    except SessionEnded:
        db.commit()
        return None
    return here


def owed(here: BrowserSession) -> str | None:
    """Where the user has to go first: to choose a password, verify the address or set up a second factor."""
    user = here.user
    if user.needs_password:
        return url_for("portal.end_everything")
    if not user.verified:
        return url_for("portal.ask_verification", next=way_back())
    return url_for("portal.security", next=way_back()) if second_factors.owes_setup(user, how=here.how) else None


def way_back() -> str | None:
    """How to come back to this page afterwards; None when its address is too long for that."""
    return waybacks.carried(f"{request.path}?{request.query_string.decode('ascii', 'replace')}")


def question(asked: Asked, wanted: frozenset[str], here: BrowserSession, *, again: str = "") -> Response:
    """The consent screen, and what it shows frozen; `again` says why it is shown once more.

    A confidential app is asked about for what is new alone; a public one, which may be another, for all of it (K-02).
    """
    standing = grants.find_authorization(here.user, asked.client)
    known = standing.agreed & wanted if standing is not None else frozenset()
    lasting = asked.client.answered_for and standing is not None and standing.expires_at is None
    settled = known if lasting and known != wanted else frozenset()
    shown = wanted - settled
    optional = asked.client.optional & shown
    handle = pending.freeze(asked, Shown(wanted, optional, settled), here)
    db.commit()
    page = render_template(
        "oauth/consent.html",
        client=asked.client,
        homepage=addresses.parts(asked.client.homepage).netloc,
        user=here.user,
        boxes=grants.boxes(shown),
        optional=optional,
        known=known,
        settled=grants.boxes(settled),
        new_here=grants.new_here(asked.client),
        lasts=grants.LASTS,
        handle=handle,
        destination=redirects.destination(asked.redirect_uri),
        lifetime_days=grants.ABSOLUTE.days,
        again=again,
        since=agreed.since(standing, asked.redirect_uri) if standing is not None else None,
        device=None,
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = policy.LEADS_TO_AN_APP
    return response

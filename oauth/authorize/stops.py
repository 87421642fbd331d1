"""How a request for authorization ends without a code: at the app with an error, or on a page here.

Nothing was changed until then, so committing keeps the reason for the app's owner and lets go of what was held.
"""

from authlib.oauth2 import OAuth2Error
from flask import Response, make_response, render_template, session

from latchkey import notices, origin, settings
from latchkey.accounts import sessions
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import Client, redirects
from latchkey.journal import refusals
from latchkey.store.session import db
from oauth.authorize.request import Asked, Stopped
from oauth.protocol import server


class Unanswered(OAuth2Error):
    """prompt=none, and a person would have to do something (OpenID Connect Core §3.1.2.6)."""


def silent(asked: Asked, error: str, description: str) -> Response:
    """The error for `prompt=none`, by what the user would have had to do."""
    return undecided(asked, Unanswered(description, None, None, asked.state, asked.redirect_uri, error=error))


def undecided(asked: Asked, error: OAuth2Error) -> Response:
    """Send an error back to the app before any user has decided about it.

    Anybody makes an app that describes itself, and would lead people off from here to wherever they like (RFC 9700
    §4.11.2): to another host a link leads that they may follow (B-11).
    """
    response, destination = to_app(asked, error), redirects.destination(asked.redirect_uri)
    if asked.client.owner_id is not None or not destination:
        return response
    told = {"client": asked.client, "why": server.told(error), "back": response.headers["Location"]}
    return _page("oauth/undecided.html", destination=destination, **told)


def to_app(asked: Asked, error: OAuth2Error) -> Response:
    """The error goes back to the app, and the reason into its owner's log."""
    response = server.server.handle_error_response(None, error)
    refusals.record(asked.client.id, "authorize", *server.reason(error))
    db.commit()
    return response


def stop(stopped: Stopped) -> Response:
    """The page that people see when there is nowhere to send an error."""
    if stopped.client is not None:
        refusals.record(stopped.client.id, "authorize", "invalid_request", str(stopped))
    db.commit()
    again = stopped.forgotten and settings.current().client_registration != "off"
    reference = origin.current.get().request_id
    told = {"reason": str(stopped), "known": stopped.client is not None, "unknown": stopped.unknown}
    told["unregistered"] = stopped.unregistered
    return _page("oauth/stopped.html", **told, reference=reference, again=again)


def over(why: str, client: Client | None = None) -> Response:
    """The page for a question that cannot be answered any more; `why` names the text on it."""
    response = _page("oauth/over.html", why=why, client=client)
    db.commit()
    return response


def leave(here: BrowserSession) -> None:
    """Not you? Sign out, whatever became of the app's request (K-08). Commits."""
    notices.signed_out(here.user)
    sessions.end(here)
    db.commit()
    session.clear()


def _page(template: str, **context: object) -> Response:
    response = make_response(render_template(template, **context), 400)
    response.headers["Cache-Control"] = "no-store"
    return response

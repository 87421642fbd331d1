"""The code that an app gets, and the record of what it was granted, in the transaction that the caller commits."""

from typing import cast

from flask import Response, request

from latchkey import grants, notices, resources
from latchkey.accounts.sessions import BrowserSession
from latchkey.grants import Choice, Grant
from latchkey.tokens.issued import crowd
from oauth.authorize import moments
from oauth.authorize.request import Asked
from oauth.protocol.server import Request, server
from oauth.token.flows import AuthorizationCodeFlow


def grant(
    asked: Asked,
    flow: AuthorizationCodeFlow,
    here: BrowserSession,
    choice: Choice,
) -> Response:
    """Let the app act as was chosen, and lead back to it with a code."""
    standing = grants.find_authorization(here.user, asked.client)
    new = standing is None or not choice.scopes <= standing.scopes
    named = resources.serialize(asked.named) if asked.resources else None
    begun = grants.allow(
        here.user,
        asked.client,
        choice.scopes,
        named,
        declined=choice.declined,
        until=choice.until,
        redirect_uri=asked.redirect_uri,
        asked=choice.asked,
    )
    crowd.make_room(begun)
    if new or request.method == "POST":
        notices.authorized(here.user, asked.client, choice.scopes, first=standing is None)
    moments.done(asked)
    return lead_back(flow, here, begun)


def lead_back(flow: AuthorizationCodeFlow, here: BrowserSession, begun: Grant) -> Response:
    """A new code under a grant, and the way to the app with it."""
    to_authlib = cast("Request", flow.request)
    to_authlib.grant, to_authlib.session = begun, here
    return cast("Response", server.create_authorization_response(to_authlib, here.user, flow))

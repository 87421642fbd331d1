"""How an endpoint for programs reads, answers and settles a request: commit a success, keep the reason of a refusal."""

from collections.abc import Callable
from typing import cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Response, g, request

from latchkey import ids
from latchkey.journal import refusals
from latchkey.store.session import db
from oauth.protocol import parameters
from oauth.protocol.server import Request, server


def answer(endpoint: str, respond: Callable[[Request], Response]) -> Response:
    """Read the request, let Authlib answer it, and settle what came of it."""
    try:
        form = parameters.form()
        if endpoint == "token" and "grant_type" not in form.parameters:
            raise InvalidRequestError("The grant_type is missing.")
        sent = parameters.presented(form.parameters, request.environ.get("HTTP_AUTHORIZATION"))
        return settle(endpoint, respond(Request(*form, sent)))
    except OAuth2Error as error:
        return settle(endpoint, server.handle_error_response(None, error))


def respond(name: str, asked: Request) -> Response:
    """What Authlib's endpoint of this name answers."""
    return cast("Response", server.create_endpoint_response(name, asked))  # type: ignore[no-untyped-call] # their stubs


def settle(endpoint: str, response: Response) -> Response:
    """Commit what a success did; roll back what a refusal began, and keep the reason for the app's owner."""
    if response.status_code < 400:
        if db.registry.has():
            db.commit()
    else:
        db.rollback()
        claimed = parameters.claimed()
        if claimed is not None and ids.is_id(claimed, "app"):
            refusals.record(claimed, endpoint, *g.refused)
            db.commit()
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response

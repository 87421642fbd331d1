"""Authlib's authorization server, wired to our records: requests come from the guard, answers go through one place."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from flask import Response

from latchkey.accounts.sessions import BrowserSession
from latchkey.grants import Grant
from oauth.protocol import answers, parties
from oauth.protocol.parameters import Presented
from oauth.protocol.parties import TooOften
from oauth.protocol.party import Party
from web.calls import Reply

CHALLENGE = ("WWW-Authenticate", 'Basic realm="oauth"')
DESCRIPTIONS = {
    "unsupported_grant_type": "The grant_type is none of those in the metadata.",
    "invalid_grant": "The code or refresh token is unknown, or was issued to another client.",
}
NOT_TRUSTED = "The client is unknown, or its credentials are wrong or not those that it must use."


class Request(OAuth2Request):
    """A request whose parameters the guard has read; Authlib sees nothing else of it."""

    # Added when the user has decided.
    session: BrowserSession
    grant: Grant
    redirect_uri_used: str = ""
    # What was read ahead about the client; None if nothing was.
    party: Sequence[Any] | None = None

    def __init__(
        self,
        parameters: dict[str, str],
        resources: list[str],
        presented: Presented | None = None,
        vouched: Party | None = None,
    ) -> None:
        # Authlib takes the address for a check of TLS, which the settings have made at the start.
        super().__init__("POST" if presented else "GET", "https://localhost")
        self.parameters, self.resources, self.presented = parameters, resources, presented
        self.payload = BasicOAuth2Payload(parameters)
        # An app whose owner tries it out in the portal counts as authenticated.
        self.vouched = vouched

    @property
    def form(self) -> dict[str, str]:
        return self.parameters

    @property
    def args(self) -> dict[str, str | None]:
        return cast("dict[str, str | None]", self.parameters)


class Server(AuthorizationServer):
    """Authlib's server with its hooks filled in."""

    def query_client(self, client_id: str) -> ClientMixin:
        return cast("ClientMixin", parties.find(client_id))

    def authenticate_client(
        self, request: OAuth2Request, methods: Collection[str], endpoint: str = "token"
    ) -> ClientMixin:
        asked = cast("Request", request)
        if asked.presented is None:
            raise InvalidClientError
        party = asked.vouched or parties.proved(asked.presented, methods, endpoint, asked.party)
        party.note_use()
        request.auth_method = asked.presented.method
        return party

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        return cast("Request", request)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens: what must be noted is noted where it happens."""

    def handle_response(self, status: int, body: Mapping[str, object] | str, headers: object) -> Response:
        return cast("Response", body)

    def handle_error_response(self, request: OAuth2Request | None, error: OAuth2Error) -> Response:
        """Back to the app, at its address; where nobody knows it to be right, nobody is led."""
        if not error.redirect_uri:
            raise error
        described = told(error)
        return answers.to_app(error.redirect_uri, error.state, error=str(error.error), error_description=described)


def reason(error: OAuth2Error) -> tuple[str, str]:
    """What a refusal is kept as for the app's owner."""
    return str(error.error), str(getattr(error, "reason", "") or told(error))


def refusal(error: OAuth2Error) -> Reply:
    """What a program is told of it (RFC 6749 §5.2)."""
    body = {"error": error.error, "error_description": told(error)}
    if isinstance(error, InvalidClientError):
        return answers.as_json(401, body, CHALLENGE)
    if isinstance(error, TooOften):
        return answers.as_json(429, body, ("Retry-After", str(error.wait)))
    return answers.as_json(error.status_code, body)


def told(error: OAuth2Error) -> str:
    """What is wrong, in words: a text of ours or Authlib's, never of the request's."""
    if isinstance(error, InvalidClientError):
        return NOT_TRUSTED
    return error.description or DESCRIPTIONS.get(str(error.error), "The request was refused.")


def party_of(request: OAuth2Request) -> Party:
    """The client that Authlib has found or authenticated."""
    return cast("Party", request.client)


server = Server()
# P-01: with DEBUG Authlib tells what it issues.
logging.getLogger("authlib").setLevel(logging.INFO)

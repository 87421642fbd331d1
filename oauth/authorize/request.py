"""What an app asks at the authorization endpoint: read, and checked as far as Authlib does not do it."""

import unicodedata
from dataclasses import dataclass
from typing import NoReturn, cast
from urllib.parse import unquote_to_bytes

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnsupportedResponseTypeError
from flask import request
from werkzeug.datastructures import MultiDict

from latchkey import clients, ids, resources, scopes
from latchkey.clients import Client, redirects
from latchkey.resources import Resource
from oauth.protocol import parameters as guard
from oauth.protocol import parties, scoping
from oauth.protocol.server import Request, server
from oauth.token import targets
from oauth.token.flows import AuthorizationCodeFlow

LONGEST_STATE = 1024
PROMPTS = frozenset({"none", "login", "consent"})


class Stopped(Exception):
    """Nobody knows where the answer would have to go: an error page here, never a redirect (B-03).

    The message says why, in words for the app's developer; `.client` is the app, if there is such a one. `.unknown`:
    none is named so; `.forgotten`: it may have been one that registered itself; `.unregistered`: the redirect URI is
    none of its own.
    """

    def __init__(
        self,
        reason: str,
        client: Client | None = None,
        *,
        unknown: bool = False,
        forgotten: bool = False,
        unregistered: bool = False,
    ) -> None:
        super().__init__(reason)
        self.client, self.unknown, self.forgotten, self.unregistered = client, unknown, forgotten, unregistered


class NotSupported(OAuth2Error):
    """OpenID Connect Core §3.1.2.6: request objects are refused, not ignored (B-16)."""

    description = "Send the parameters themselves: request objects are not supported."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose client and redirect URI are known to be right, so that it can be answered at all."""

    client: Client
    redirect_uri: str
    parameters: dict[str, str]
    resources: list[str]
    doubled: list[str]

    @property
    def state(self) -> str | None:
        return self.parameters.get("state")

    @property
    def named(self) -> tuple[Resource, ...]:
        """The APIs that it names (RFC 8707 §2.1). Raises `InvalidTargetError`."""
        return targets.named(self.resources)

    @property
    def prompts(self) -> frozenset[str]:
        return frozenset(self.parameters.get("prompt", "").split())


def read() -> Asked:
    """The request of this URL. Raises `Stopped`."""
    try:
        unquote_to_bytes(request.query_string.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Stopped("the request is not UTF-8") from None
    return understood(request.args)


def understood(values: MultiDict[str, str]) -> Asked:
    """What these parameters ask for. Raises `Stopped`."""
    doubled = guard.duplicates(values)
    if "client_id" in doubled:
        raise Stopped("the client_id appears more than once")
    # Only these parameters are kept while the user decides, so no secret that an app sends here by mistake.
    parameters = {name: value for name, value in guard.single(values).items() if name in guard.AUTHORIZATION}
    client = clients.find(parameters.get("client_id", ""))
    if client is None or (client.document_url or parameters["client_id"]) != parameters["client_id"]:
        forgotten = ids.is_id(parameters.get("client_id", ""), "app")
        raise Stopped("there is no app with this client_id", unknown=True, forgotten=forgotten)
    if client.suspended_at is not None:
        raise Stopped("the app is suspended", client)
    state = parameters.get("state", "")
    if len(state) > LONGEST_STATE:
        raise Stopped(f"the state is longer than {LONGEST_STATE:,} characters", client)
    if any(unicodedata.category(sign) == "Cc" for sign in state):
        raise Stopped("the state holds control characters", client)
    if "redirect_uri" in doubled:
        raise Stopped("the redirect_uri appears more than once", client)
    return Asked(client, _redirect_uri(client, parameters), parameters, guard.resources(values), doubled)


def _redirect_uri(client: Client, parameters: dict[str, str]) -> str:
    """The sent one, which must be registered; or the only registered one (RFC 6749 §3.1.2.3)."""
    sent = parameters.get("redirect_uri")
    if sent is None:
        if len(client.redirect_uris) != 1:
            raise Stopped("the redirect_uri is missing, and the app has more than one", client)
        return _readable(client, client.redirect_uris[0])
    if not any(redirects.matches(sent, registered) for registered in client.redirect_uris):
        raise Stopped(redirects.difference(sent, client.redirect_uris), client, unregistered=True)
    return _readable(client, sent)


def _readable(client: Client, uri: str) -> str:
    """A registered address; one that was registered by other rules may be none to lead back to."""
    try:
        return redirects.check(uri)
    except redirects.BadRedirectURI:
        raise Stopped("the redirect_uri is no address that could be registered today", client) from None


def validate(asked: Asked) -> AuthorizationCodeFlow:
    """Authlib's flow for a valid request. Raises `OAuth2Error`, with the redirect URI to answer at."""
    try:
        _check(asked)
        grant = server.get_consent_grant(_to_authlib(asked))  # type: ignore[no-untyped-call] # their stubs
        return cast("AuthorizationCodeFlow", grant)
    except OAuth2Error as error:
        error.redirect_uri, error.state = asked.redirect_uri, asked.state
        if isinstance(error, InvalidScopeError):
            wanted, allowed = asked.parameters.get("scope", ""), _ceiling(asked)
            refused = scoping.NOT_THERE if asked.resources else scoping.MAY_NOT
            error.description = scoping.description(wanted, allowed, refused)
            error.reason = scoping.reason(wanted, allowed, refused)  # type: ignore[attr-defined] # for the app's owner
        raise


def _ceiling(asked: Asked) -> frozenset[str]:
    """What the app may ask for; if it names resources, of their scopes."""
    allowed = parties.of(asked.client).scopes
    return resources.within(allowed, asked.named) if asked.resources else allowed


def _to_authlib(asked: Asked) -> Request:
    parameters = asked.parameters
    if asked.resources:
        # Left out, it means all of these resources' scopes (RFC 8707 §2.2).
        given, ceiling = scoping.named(parameters.get("scope", "")), _ceiling(asked)
        if not (given or ceiling) or given - ceiling:
            raise InvalidScopeError
        parameters = parameters | {"scope": scopes.serialize(given or ceiling)}
    to_authlib = Request(parameters, asked.resources)
    to_authlib.redirect_uri_used = asked.redirect_uri
    return to_authlib


def _check(asked: Asked) -> None:
    """Each check that Authlib leaves out or answers otherwise, in the order of the parameters' weight."""
    parameters = asked.parameters
    if asked.doubled:
        _refuse(f"The parameter {asked.doubled[0]} appears more than once.")
    if "request" in parameters or "request_uri" in parameters:
        raise NotSupported(error="request_not_supported" if "request" in parameters else "request_uri_not_supported")
    if "response_type" not in parameters:
        _refuse("The response_type is missing.")
    if parameters["response_type"] != "code":
        error = UnsupportedResponseTypeError("")
        error.description = "The response_type must be code."
        raise error
    if parameters.get("response_mode", "query") != "query":
        _refuse("The response_mode must be query.")
    if not asked.prompts <= PROMPTS or ("none" in asked.prompts and len(asked.prompts) > 1):
        _refuse("The prompt must be none, or login or consent or both.")
    targets.named(asked.resources)


def _refuse(description: str) -> NoReturn:
    raise InvalidRequestError(description)

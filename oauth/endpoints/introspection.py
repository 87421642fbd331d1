"""/oauth/introspect (RFC 7662): what a live token is, for an app that proved itself; never a name or an address.

Where the operator wants it, only for those that an administrator marked as resource servers: to others none is active.
"""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Response

from latchkey import settings
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.tokens import access
from latchkey.tokens.access import Bearer
from oauth.blueprint import blueprint
from oauth.protocol import parties
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.parties import Party, TooOften
from oauth.protocol.server import server
from oauth.protocol.settling import answer, respond

# The form field for the address of whoever sent the token: one that is bound to addresses is none without it.
ADDRESS = "client_address"


def described(token: Bearer | None) -> dict[str, Any]:
    """RFC 7662 §2.2; whatever is wrong with a token, the answer is the same (F-07)."""
    if token is None:
        return {"active": False}
    issuer = settings.current().base_url
    body: dict[str, Any] = {
        "active": True,
        "scope": token.scope,
        "token_type": "Bearer",
        "sub": token.user_id or token.client_id,
        "aud": [resource.identifier for resource in token.resources],
        "iss": issuer,
        "iat": int(token.created_at.timestamp()),
    }
    if token.client_id is not None:
        body["client_id"] = token.client_id
    if token.expires_at is not None:
        body["exp"] = int(token.expires_at.timestamp())
    return body


PATH = "/oauth/introspect"


def _live(text: str, party: Party, address: str, *, refusing: bool = True) -> Bearer | None:
    if party.resource_server or settings.current().introspection == "any":
        try:
            return access.admit(text, call=PATH, address=address, refusing=refusing)
        except access.InvalidToken:
            pass
    return None


def _told(text: str, party: Party, address: str) -> Bearer | None:
    """The one bearer decision, for whom it is told. A refresh token is no bearer of anything, so it is none (E-12).

    `address` is that of the resource server's caller, as it says.
    Raises `TooOften` when an app that no administrator marked asks for too many that are none.
    """
    bearer = _live(text, party, address)
    if bearer is not None:
        return bearer
    if not party.resource_server and (
        wait := throttle.hit(Counter(f"inactive:{party.id}", (settings.current().quota_introspection,)))
    ):
        raise TooOften(wait, "Too many tokens that are not active. Wait before the next try.")
    return None


class Introspection(IntrospectionEndpoint):
    """RFC 7662 by Authlib: every request that is not answered at once, and all that is wrong with one."""

    CLIENT_AUTH_METHODS = parties.SECRET_METHODS

    def authenticate_token(self, request: OAuth2Request, client: Party) -> Bearer | None:
        text = request.form.get("token")
        if text is None:
            raise InvalidRequestError("The token is missing.")
        return _told(text, client, request.form.get(ADDRESS, ""))

    def create_introspection_payload(self, token: Bearer | None) -> dict[str, Any]:
        return described(token)


server.register_endpoint(Introspection)


def at_once(form: Form, sent: Presented) -> dict[str, Any] | None:
    """The answer to a good request, without Flask and Authlib; None leaves it to them."""
    token = form.parameters.get("token")
    party = token and parties.proved(sent, parties.SECRET_METHODS, "introspection", writing=False)
    if token is None or not isinstance(party, Party):
        return None
    # What goes the whole way is asked for again there.
    bearer = _live(token, party, form.parameters.get(ADDRESS, ""), refusing=party.resource_server)
    # Counting what is not active writes, and what is done at once waits for no turn to write.
    return None if bearer is None and not party.resource_server else described(bearer)


@blueprint.post(PATH)
def introspect() -> Response:
    """RFC 7662 §2.1."""
    return answer("introspect", lambda asked: respond(Introspection.ENDPOINT_NAME, asked))

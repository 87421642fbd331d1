"""The endpoints that programs post forms to: token (RFC 6749 §3.2) and revocation (RFC 7009)."""

from typing import cast

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc7009 import RevocationEndpoint
from flask import Response

from latchkey import grants, tokens
from latchkey.credentials import Kind
from latchkey.grants import EndReason
from latchkey.tokens import Token
from oauth.blueprint import blueprint
from oauth.protocol import answers, cross_origin, parties
from oauth.protocol.server import party_of, server
from oauth.protocol.settling import answer, respond


class Revocation(RevocationEndpoint):
    """RFC 7009, in which a hint is only a hint and the answer tells nothing."""

    CLIENT_AUTH_METHODS = parties.METHODS

    def authenticate_token(self, request: OAuth2Request, client: object) -> Token | None:
        """The client's own token; another's is as unknown as one that does not exist (F-04)."""
        text = request.form.get("token")
        if text is None:
            raise InvalidRequestError("The token is missing.")
        token = tokens.find(text, Kind.ACCESS, Kind.REFRESH)
        if token is None or token.grant is None or token.grant.client_id != party_of(request).id:
            return None
        return token

    def create_endpoint_response(self, request: OAuth2Request) -> tuple[int, Response, list[tuple[str, str]]]:
        client = self.authenticate_endpoint_client(request)  # type: ignore[no-untyped-call] # their stubs
        token = self.authenticate_token(request, client)
        if token is not None:
            self.revoke_token(token, request)
        # F-02: the same empty object, whether there was something to end or not; clients read no other type.
        return 200, answers.as_json(200, {}), []

    def revoke_token(self, token: Token, request: OAuth2Request) -> None:
        """End the grant: either of a pair takes the other along, whatever else came of it too (F-05)."""
        if token.grant_id is not None:
            grants.end(token.grant_id, EndReason.REVOKED)


server.register_endpoint(Revocation)


@blueprint.post("/oauth/token", provide_automatic_options=False)
@cross_origin.for_apps
def token() -> Response:
    """RFC 6749 §3.2."""
    return answer("token", lambda asked: cast("Response", server.create_token_response(asked)))


@blueprint.post("/oauth/revoke", provide_automatic_options=False)
@cross_origin.for_apps
def revoke() -> Response:
    """RFC 7009 §2."""
    return answer("revoke", lambda asked: respond(Revocation.ENDPOINT_NAME, asked))

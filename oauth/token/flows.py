"""The grant types: Authlib decides whether a request is valid, each hook here is one call into our records."""

from contextlib import nullcontext
from typing import Any, cast

from authlib.oauth2.rfc6749 import (
    ClientMixin,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc8628 import DeviceCodeGrant
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError

from latchkey import credentials, scopes
from latchkey.grants import EndReason
from latchkey.store.drivers.transactions import write_lock
from latchkey.tokens.issued import device_codes, issuing, refreshing
from latchkey.tokens.issued.issuing import Issued, Under
from oauth.protocol import answers, parties, scoping
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.party import Party
from oauth.protocol.server import Request, party_of, server
from oauth.token import codes, targets, together
from oauth.token.pkce import S256Challenge
from oauth.token.replays import Replayed
from oauth.token.targets import Target

HEADERS: list[tuple[str, str]] = []
NOT_GRANTED = "not granted, or no longer open to the app:"


def answered(tokens: Issued) -> dict[str, object]:
    """RFC 6749 §5.1."""
    body: dict[str, object] = {"access_token": tokens.access, "token_type": "Bearer", "expires_in": tokens.seconds}
    if tokens.refresh is not None:
        body["refresh_token"] = tokens.refresh
    return body | {"scope": tokens.scope}


class TokenFlow(grants.BaseGrant):
    """What the flows have in common at the token endpoint."""

    TOKEN_ENDPOINT_AUTH_METHODS = parties.METHODS
    # What was found together with the client: it need not be asked for again.
    found: together.Found | None = None

    def look_up(self, _asked: Request, _client_id: str) -> together.Found | None:
        """What is exchanged and whoever sent it, where that takes one statement instead of two."""
        return None

    def authenticate_token_endpoint_client(self) -> ClientMixin:
        asked = cast("Request", self.request)
        if asked.presented is not None:
            self.found = self.look_up(asked, asked.presented.client_id)
            asked.party = None if self.found is None else self.found.party
        client = self.server.authenticate_client(self.request, self.TOKEN_ENDPOINT_AUTH_METHODS)
        # Authlib says so itself only when what is redeemed was found.
        self.request.client = client
        targets.named(asked.resources)
        return cast("ClientMixin", client)

    def left_of(self, granted: str) -> frozenset[str]:
        """Of what was granted, what the app may still have (E-11). Raises `InvalidScopeError`."""
        left = scopes.held(granted) & party_of(self.request).scopes
        if not left:
            raise InvalidScopeError("The app may have none of the granted scopes any more.")
        return left

    def within(self, allowed: frozenset[str], target: Target) -> Target:
        """What the new access token may do, if the request names less. Raises `InvalidScopeError`."""
        asked = cast("Request", self.request).parameters.get("scope")
        if not asked:
            return target
        wanted = frozenset(asked.split(" "))
        if not wanted <= allowed or not wanted & target.scopes:
            raise scoping.TooWide(asked, target.scopes, NOT_GRANTED)
        return target._replace(scopes=wanted & target.scopes)


class AuthorizationCodeFlow(TokenFlow, grants.AuthorizationCodeGrant):  # type: ignore[misc] # stubs: list or Collection
    """RFC 6749 §4.1."""

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuth2Request, client: ClientMixin) -> str:
        """The one that the request may be answered at; it was found to be registered before Authlib was asked."""
        used = cast("Request", request).redirect_uri_used
        if not client.check_redirect_uri(used):
            raise InvalidRequestError("The redirect_uri is not registered.")
        return used

    def create_authorization_response(self, redirect_uri: str, grant_user: Any) -> Any:
        request = cast("Request", self.request)
        state = self.request.payload.state if self.request.payload else None
        if not grant_user:
            raise answers.Denied(redirect_uri=redirect_uri)
        code = self.generate_authorization_code()
        self.save_authorization_code(code, request)
        return 303, answers.to_app(redirect_uri, state, code=code), HEADERS

    def generate_authorization_code(self) -> str:
        return credentials.opaque()

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        asked = cast("Request", request)
        codes.save(
            code,
            asked.grant,
            asked.session,
            redirect_uri=asked.redirect_uri_used,
            redirect_uri_sent="redirect_uri" in asked.parameters,
            challenge=asked.parameters.get("code_challenge"),
        )

    def look_up(self, asked: Request, client_id: str) -> together.Found | None:
        return together.CODES.find(client_id, codes.digest_of(asked.parameters.get("code", "")))

    def query_authorization_code(self, code: str, client: ClientMixin) -> codes.Found:
        found = codes.find(code) if self.found is None else self.found.sent
        if found is None or found.client_id != client.get_client_id():
            raise InvalidGrantError("The code is unknown or long expired, or was issued to another client.")
        sent = self.request.payload.redirect_uri if self.request.payload else None
        # RFC 6749 §4.1.3: where it was left out before, it may be named now, but no other.
        if (sent or found.redirect_uri_sent) and sent != found.redirect_uri:
            raise InvalidGrantError("The redirect_uri must be the same as in the authorization request.")
        return found

    def create_token_response(self) -> Any:
        """Spend the code and issue tokens in one transaction; spent already means a replay."""
        code = cast("codes.Found", self.request.authorization_code)
        if (code.orphaned or code.expired) and not code.consumed:
            raise InvalidGrantError("The code has expired or does not work any more.")
        asked = cast("Request", self.request)
        access = targets.narrowed(self.left_of(code.scope), code.resource, asked.resources)
        under = Under(code.grant_id, code.user_id, code.grant_expires_at, *access)
        tokens = codes.exchange(code, under)
        if tokens is None:
            again = codes.find(asked.parameters["code"])
            if again is not None and not again.consumed:
                raise InvalidGrantError("The code has expired or does not work any more.")
            raise Replayed("The code was used before.", code.grant_id, EndReason.CODE_REPLAYED)
        return 200, answered(tokens), HEADERS


class RefreshTokenFlow(TokenFlow, grants.RefreshTokenGrant):
    """RFC 6749 §6, each refresh token used once (RFC 9700 §4.14.2)."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def look_up(self, asked: Request, client_id: str) -> together.Found | None:
        digest = refreshing.digest_of(asked.parameters.get("refresh_token", ""))
        return together.REFRESHES.find(client_id, digest)

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        found = refreshing.find(refresh_token) if self.found is None else self.found.sent
        if found is None or found.client_id != party_of(self.request).id:
            raise InvalidGrantError("The refresh token is unknown or long expired, or was issued to another client.")
        return found

    def _validate_token_scope(self, _token: refreshing.Found) -> None:
        """`within` decides it, and names what is too much."""

    def create_token_response(self) -> Any:
        """Retire the token and issue its successor in one transaction; retired already means a replay."""
        old = cast("refreshing.Found", self.request.refresh_token)
        if old.orphaned or (old.expired and not old.retired):
            raise InvalidGrantError("The refresh token has expired or does not work any more.")
        allowed = self.left_of(old.scope)
        target = targets.narrowed(allowed, old.resource, cast("Request", self.request).resources)
        access = self.within(allowed, target)
        tokens = refreshing.exchange(old, Under(old.grant_id, old.user_id, old.grant_expires_at, *access))
        if tokens is None:
            raise Replayed("The refresh token was used before.", old.grant_id, EndReason.REFRESH_REPLAYED)
        return 200, answered(tokens), HEADERS


class ClientCredentialsFlow(TokenFlow, grants.ClientCredentialsGrant):
    """RFC 6749 §4.4: a confidential client as itself, without a user and without a refresh token (D-13)."""

    def create_token_response(self) -> Any:
        party = party_of(self.request)
        allowed = self.left_of(" ".join(party.scopes))
        access = self.within(allowed, targets.free(allowed, cast("Request", self.request).resources))
        return 200, answered(issuing.as_itself(party.id, party.proofs_ended, *access)), HEADERS


class DeviceCodeFlow(TokenFlow, DeviceCodeGrant):
    """RFC 8628 §3.4."""

    def query_device_credential(self, device_code: str) -> device_codes.Found:
        found = device_codes.find(device_code)
        if found is None or found.client_id != party_of(self.request).id:
            raise InvalidGrantError("The device code is unknown, or was issued to another client.")
        return found

    def validate_device_credential(self, credential: device_codes.Found) -> str | None:
        """Who agreed. Raises what a device is told until then (§3.5); a consumed code is looked at once more below."""
        if credential.consumed:
            return credential.user_id
        if credential.decision == "deny":
            raise answers.Denied
        if credential.expired:
            raise ExpiredTokenError("The device code has expired. Ask for another one.")
        if credential.decision is None:
            raise AuthorizationPendingError if device_codes.keeps_pace(credential) else SlowDownError
        if credential.orphaned:
            raise InvalidGrantError("The device code does not work any more.")
        return credential.user_id

    def create_token_response(self) -> Any:
        """Spend the code and issue tokens in one transaction; spent already means a replay."""
        asked = cast("Request", self.request)
        code = cast("device_codes.Found", asked.credential)
        access = targets.narrowed(self.left_of(code.scope), code.resource, asked.resources)
        under = Under(str(code.grant_id), code.user_id, code.grant_expires_at, *access)
        tokens = device_codes.exchange(code, under)
        if tokens is None:
            again = device_codes.find(asked.parameters["device_code"])
            if again is None or not again.consumed:
                raise InvalidGrantError("The device code does not work any more.")
            raise Replayed("The device code was used before.", under.grant_id, EndReason.CODE_REPLAYED)
        return 200, answered(tokens), HEADERS


FLOWS = (AuthorizationCodeFlow, RefreshTokenFlow, ClientCredentialsFlow, DeviceCodeFlow)
for flow in FLOWS:
    server.register_grant(flow, [S256Challenge(required=True)] if flow is AuthorizationCodeFlow else None)

USED_UP = (AuthorizationCodeFlow.GRANT_TYPE, RefreshTokenFlow.GRANT_TYPE, DeviceCodeFlow.GRANT_TYPE)


def tokens_for(form: Form, sent: Presented, vouched: Party | None = None) -> dict[str, Any]:
    """The tokens that this request is granted, as Authlib decides. Raises `OAuth2Error`."""
    asked = Request(*form, sent, vouched)
    # What uses something up will write: it holds the lock from its first lookup on.
    with write_lock() if asked.parameters["grant_type"] in USED_UP else nullcontext():
        flow = cast("AuthorizationCodeFlow | RefreshTokenFlow", server.get_token_grant(asked))
        flow.validate_token_request()
        _, body, _ = flow.create_token_response()
    return cast("dict[str, Any]", body)

"""PKCE (RFC 7636), of every app that its owner did not let do without."""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge

from latchkey.clients import redirects
from oauth.protocol.server import Request, party_of

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def matches(verifier: str, challenge: str) -> bool:
    """RFC 7636 §4.6, in constant time."""
    return hmac.compare_digest(challenge_of(verifier).encode(), challenge.encode())


class S256Challenge(CodeChallenge):
    """RFC 7636 with S256 alone, asked of every client unless its owner turned that off for a confidential one."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - Authlib's own way to declare it
    CODE_CHALLENGE_METHODS = {"S256": matches}  # noqa: RUF012 - Authlib's own way to declare it

    def validate_code_challenge(self, grant: Any, redirect_uri: object) -> None:
        """At the authorization endpoint, so that nobody consents in vain (C-01, C-02, C-03)."""
        parameters = cast("Request", grant.request).parameters
        challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
        # RFC 8252 §8.1: another app may have claimed the scheme, and then gets the code.
        required = party_of(grant.request).pkce_required or redirects.private(grant.request.redirect_uri_used)
        if challenge is None and method is None and not required:
            return
        if challenge is None:
            raise InvalidRequestError("The code_challenge is missing: PKCE is required.")
        if method != "S256":
            raise InvalidRequestError("The code_challenge_method must be S256.")
        if not CHALLENGE.fullmatch(challenge):
            raise InvalidRequestError("The code_challenge must be 43 base64url characters.")

    def validate_code_verifier(self, grant: Any, result: object) -> None:
        """At the token endpoint: Authlib decides, and is less clear about why."""
        verifier = cast("Request", grant.request).parameters.get("code_verifier")
        if verifier is not None and not VERIFIER.fullmatch(verifier):
            raise InvalidRequestError("The code_verifier must be 43 to 128 of A-Z, a-z, 0-9, -, ., _ and ~.")
        try:
            super().validate_code_verifier(grant, result)
        except InvalidGrantError:
            raise InvalidGrantError("The code_verifier does not belong to the code_challenge of this code.") from None

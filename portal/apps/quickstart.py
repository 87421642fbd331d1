"""The code flow in three languages, filled in for one app and ready to paste."""

import json
import shlex
from dataclasses import dataclass

from latchkey import scopes, settings
from latchkey.clients import Client
from latchkey.clients.keys import record, sets

SUBTLE: dict[str, str | dict[str, str]] = {
    "ES256": {"name": "ECDSA", "namedCurve": "P-256"},
    "EdDSA": "Ed25519",
    "PS256": {"name": "RSA-PSS", "hash": "SHA-256"},
    "RS256": {"name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256"},
}
LANGUAGES = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}


@dataclass(frozen=True, slots=True)
class Quickstart:
    """What a template needs to write the example: values, and the same quoted for a shell, Python and JavaScript."""

    language: str
    client: Client
    issuer: str
    redirect_uri: str
    path: str
    # Of an app with keys: those of the first of them, which its example signs with.
    kid: str = ""
    algorithm: str = ""

    @property
    def subtle(self) -> str:
        """What WebCrypto calls a key of this algorithm."""
        return json.dumps(SUBTLE.get(self.algorithm, ""))

    @property
    def languages(self) -> dict[str, str]:
        """What may be chosen."""
        return LANGUAGES

    @property
    def scope(self) -> str:
        """All that the app may ask for."""
        return scopes.serialize(self.client.scopes)

    @property
    def plain_http(self) -> bool:
        """Whether this installation is reached without TLS, which libraries want to be told."""
        return self.issuer.startswith("http:")

    @staticmethod
    def sh(text: str) -> str:
        """A word for a shell."""
        return shlex.quote(text)

    @staticmethod
    def quoted(text: str) -> str:
        """A string that Python and JavaScript read alike."""
        return json.dumps(text)


def of(client: Client, language: str | None) -> Quickstart:
    """The example in a language that exists, else for curl; it ends with a call that the app's scopes allow."""
    found = record.find(client.id) if client.keyed else None
    key = found.keys[0] if found is not None and found.keys else {}
    return Quickstart(
        kid=key.get("kid", ""),
        algorithm=sets.algorithm(key) if key else "",
        language=language if language in LANGUAGES else "curl",
        client=client,
        issuer=settings.current().base_url,
        redirect_uri=client.redirect_uris[0],
        path="/v1/me" if "account:read" in client.scopes else "/v1/token",
    )

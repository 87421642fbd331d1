"""An app's own keys: made, published, and used to sign what proves the app (RFC 7523)."""

import json
from base64 import urlsafe_b64encode
from functools import cache

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from latchkey import clock, ids, settings

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")


def encoded(value: object) -> str:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(body).rstrip(b"=").decode()


@cache
def _rsa() -> RSAKey:
    """Made once: it takes a while."""
    return RSAKey.generate_key(2048)


class Pair:
    """A key pair of an app."""

    def __init__(self, kid="one", algorithm="ES256"):
        self.kid, self.algorithm = kid, algorithm
        makers = {"ES256": lambda: ECKey.generate_key("P-256"), "EdDSA": lambda: OKPKey.generate_key("Ed25519")}
        self.key = makers.get(algorithm, _rsa)()

    @property
    def public(self):
        return self.key.as_dict(private=False) | {"kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def assertion(self, client_id, header=None, signed_with=None, **claims):
        """A good one, but for what is given; None takes something out."""
        now = int(clock.now().timestamp())
        issuer = settings.current().base_url
        good = {"iss": client_id, "sub": client_id, "aud": issuer, "jti": ids.draw(), "iat": now, "exp": now + 60}
        stated = {name: value for name, value in (good | claims).items() if value is not None}
        head = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return self.signed(encoded(head), encoded(stated), signed_with)

    def signed(self, head, body, signed_with=None):
        text = f"{head}.{body}"
        sign = signed_with or (lambda message: JWSRegistry.algorithms[self.algorithm].sign(message, self.key))
        return f"{text}.{encoded(sign(text.encode()))}"

    def proof(self, client_id, **changes):
        """The fields of a form that prove the app."""
        return {"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion(client_id, **changes)}


def key_set(*pairs):
    return json.dumps({"keys": [pair.public for pair in pairs]})

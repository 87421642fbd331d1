"""How an app proves itself in a run: shown without what is secret, or really tried with something wrong."""

from typing import TYPE_CHECKING

from latchkey import clock, credentials, ids, settings
from latchkey.clients import Client
from latchkey.clients.keys import assertions
from latchkey.credentials import Kind
from latchkey.loading import Late
from oauth.protocol.parameters import JWT_BEARER, Presented
from oauth.workshop.steps import DOTS

if TYPE_CHECKING:
    from joserfc import jwk, jwt
else:
    jwk, jwt = Late("joserfc.jwk"), Late("joserfc.jwt")

SECONDS = 60


def shown(client: Client, wrong: Presented | None) -> list[tuple[str, str]]:
    """The fields, or the header, by which the app says who it is."""
    if client.keyed:
        return [("client_assertion_type", JWT_BEARER), ("client_assertion", DOTS)]
    if client.confidential:
        return [("Authorization", f"Basic {DOTS}")]
    return [("client_id", client.client_id), *([("client_secret", DOTS)] if wrong else [])]


def wrong(client: Client) -> Presented:
    """What proves nothing: a secret that nobody was given, or a signature by a key that nobody knows."""
    if not client.keyed:
        method = "client_secret_basic" if client.confidential else "client_secret_post"
        return Presented(client.client_id, credentials.generate(Kind.SECRET), method)
    now = int(clock.now().timestamp())
    claims: dict[str, str | int] = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": settings.current().base_url,
    }
    claims |= {"jti": ids.draw(), "iat": now, "exp": now + SECONDS}
    key = jwk.ECKey.generate_key("P-256")
    signed = jwt.encode({"alg": "ES256", "kid": ids.draw()}, claims, key)
    return Presented(client.client_id, None, "private_key_jwt", assertions.read(signed))

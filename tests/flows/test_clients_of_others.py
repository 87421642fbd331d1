"""Clients that others wrote, by their own documentation: keys in place of a secret, and the device flow."""

import json
import subprocess
from urllib.parse import urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign

from tests import factories, programs, servers
from tests.oauth import dance, signing
from tests.oauth.conftest import enter
from tests.oauth.signing import Pair

SCRIPT = servers.ROOT / "tests" / "flows" / "client.mjs"
WEBCRYPTO = {
    "ES256": {"name": "ECDSA", "namedCurve": "P-256"},
    "PS256": {"name": "RSA-PSS", "hash": "SHA-256"},
    "RS256": {"name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256"},
}
# Authlib's own way to sign EdDSA warns of that name, which RFC 9864 replaces.
BY_AUTHLIB = [algorithm for algorithm in signing.ALGORITHMS if algorithm != "EdDSA"]
pytestmark = [
    pytest.mark.slow("runs clients of others against a server"),
    pytest.mark.either_database("about what clients of others say, which asks the database what ours do"),
    pytest.mark.standard("D-15", "Q-04"),
]


@pytest.fixture
def browser(app, alice):
    """Somebody who reads a code off a device."""
    return enter(app.test_client(), alice)


class Proof(PrivateKeyJWT):
    """Authlib signs for the token endpoint and an hour; RFC 7523 as updated wants the issuer, and we five minutes."""

    def __init__(self, audience: str, pair: Pair) -> None:
        super().__init__()
        self.audience, self.pair = audience, pair

    def sign(self, auth: ClientAuth, token_endpoint: str) -> str:
        given = {"alg": self.pair.algorithm, "header": {"kid": self.pair.kid}, "expires_in": 60}
        return private_key_jwt_sign(auth.client_secret, auth.client_id, self.audience, **given)


def session(client_id: str, pair: Pair, audience: str) -> OAuth2Session:
    """An app's server."""
    return OAuth2Session(client_id, pair.key, token_endpoint_auth_method=Proof(audience, pair))


def known(url: str) -> dict[str, str]:
    return requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=60).json()


@pytest.mark.parametrize("algorithm", BY_AUTHLIB)
def test_authlib_proves_an_app_by_its_key(live_server, alice, algorithm):
    pair, registered = Pair(algorithm=algorithm), factories.make_client(alice)
    factories.give_keys(registered.client, signing.key_set(pair))
    client = session(registered.client.id, pair, known(live_server.url)["issuer"])

    token = client.fetch_token(f"{live_server.url}/oauth/token", grant_type="client_credentials")["access_token"]
    asked = client.introspect_token(f"{live_server.url}/oauth/introspect", token=token)

    assert asked.json()["active"] is True
    by_endpoint = session(registered.client.id, pair, f"{live_server.url}/oauth/token")
    with pytest.raises(OAuthError, match="invalid_client"):
        by_endpoint.fetch_token(f"{live_server.url}/oauth/token", grant_type="client_credentials")


def test_authlib_signs_a_device_in_by_its_key(live_server, browser, alice):
    pair, registered = Pair(), factories.make_client(alice, device_flow=True)
    factories.give_keys(registered.client, signing.key_set(pair))
    metadata = known(live_server.url)
    client = session(registered.client.id, pair, metadata["issuer"])
    path = urlsplit(metadata["device_authorization_endpoint"]).path
    begun = requests.post(
        live_server.url + path, data=pair.proof(registered.client.id, aud=metadata["issuer"]), timeout=60
    ).json()

    def poll() -> dict[str, str]:
        address = f"{live_server.url}/oauth/token"
        return client.fetch_token(address, grant_type=dance.DEVICE, device_code=begun["device_code"])

    with pytest.raises(OAuthError, match="authorization_pending"):
        poll()
    dance.agree(browser, begun)

    assert dance.works(browser, poll()["access_token"])


@pytest.mark.parametrize("algorithm", [*WEBCRYPTO, ""], ids=[*WEBCRYPTO, "public"])
def test_oauth4webapi_proves_an_app_and_signs_a_device_in(live_server, browser, alice, tmp_path, algorithm):
    registered = factories.make_client(alice, device_flow=True, confidential=bool(algorithm))
    given = {"url": live_server.url, "id": registered.client.id, "algorithm": WEBCRYPTO.get(algorithm)}
    if algorithm:
        pair = Pair(algorithm=algorithm)
        factories.give_keys(registered.client, signing.key_set(pair))
        given["jwk"] = pair.key.as_dict(private=True) | {"kid": pair.kid}
    (tmp_path / "node_modules").symlink_to(programs.node_modules())
    (tmp_path / SCRIPT.name).write_text(SCRIPT.read_text())

    with subprocess.Popen(
        [str(programs.node()), SCRIPT.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as client:
        client.stdin.write(json.dumps(given) + "\n")
        client.stdin.flush()
        begun = json.loads(client.stdout.readline())
        dance.agree(browser, begun)
        said, _ = client.communicate("{}\n", timeout=60)

    found = json.loads(said)
    assert found["pending"] == "authorization_pending"
    assert found.get("active") is (True if algorithm else None)
    assert dance.works(browser, found["token"])

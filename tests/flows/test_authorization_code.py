"""An app that uses Authlib's client acts for a person who agreed, against the running server."""

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session, OAuthError

from tests import factories
from tests.factories import CALLBACK
from tests.flows.person import Person

pytestmark = pytest.mark.slow("starts a server for each test")


@pytest.fixture
def metadata(live_server):
    return requests.get(f"{live_server.url}/.well-known/oauth-authorization-server", timeout=60).json()


def app_session(registered, metadata, method="client_secret_basic", **options):
    given = {"scope": "account:read", "redirect_uri": CALLBACK, "code_challenge_method": "S256"} | options
    return OAuth2Session(
        registered.client.id,
        registered.secret,
        token_endpoint_auth_method=method if registered.secret else "none",
        token_endpoint=metadata["token_endpoint"],
        **given,
    )


def dance(app, person, metadata, user, **more):
    verifier = generate_token(48)
    url, state = app.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, **more)
    back = person.agree(url, user)
    return app.fetch_token(metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_confidential_app(live_server, metadata, alice, example_client, method):
    app = app_session(example_client, metadata, method)

    token = dance(app, Person(live_server.url), metadata, alice)

    assert token["token_type"] == "Bearer"
    assert token["scope"] == "account:read"
    assert metadata["issuer"] == live_server.url
    me = app.get(f"{live_server.url}/v1/me")
    assert me.status_code == 200
    assert me.json()["id"] == alice.id
    gate = requests.get(
        f"{live_server.url}/oauth/check", headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=60
    )
    assert gate.headers["X-Auth-User-Id"] == alice.id


def test_a_public_app_on_a_loopback_port(live_server, metadata, alice, bob):
    native = factories.make_client(bob, confidential=False, redirect_uris=("http://127.0.0.1/done",))
    app = app_session(native, metadata, redirect_uri="http://127.0.0.1:49152/done")

    token = dance(app, Person(live_server.url), metadata, alice)

    assert app.get(f"{live_server.url}/v1/token").json()["scopes"] == ["account:read"]
    assert token["refresh_token"].startswith("lk_ort_")


def test_a_person_who_says_no(live_server, metadata, alice, example_client):
    app = app_session(example_client, metadata)
    url, state = app.create_authorization_url(metadata["authorization_endpoint"], code_verifier=generate_token(48))

    back = Person(live_server.url).agree(url, alice, "deny")

    told = dict(parse_qsl(urlsplit(back).query))
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", state, live_server.url)
    assert "code" not in told


def test_the_app_refreshes_by_itself_when_its_token_is_over(live_server, metadata, alice, example_client):
    kept = []
    app = app_session(example_client, metadata, update_token=lambda token, **_: kept.append(token))
    first = dict(dance(app, Person(live_server.url), metadata, alice))
    app.token = first | {"expires_at": 1}

    assert app.get(f"{live_server.url}/v1/me").status_code == 200

    assert len(kept) == 1
    assert kept[0]["refresh_token"] != first["refresh_token"]
    with pytest.raises(OAuthError, match="invalid_grant"):
        app.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"])
    # The replay ended the grant.
    app.token = kept[0]
    assert app.get(f"{live_server.url}/v1/me").status_code == 401


def test_the_app_lets_go(live_server, metadata, alice, example_client):
    app = app_session(example_client, metadata)
    token = dance(app, Person(live_server.url), metadata, alice)

    app.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"], token_type_hint="access_token")

    assert app.get(f"{live_server.url}/v1/me").status_code == 401


def test_the_app_asks_what_a_token_is(live_server, metadata, alice, example_client):
    app = app_session(example_client, metadata)
    token = dance(app, Person(live_server.url), metadata, alice)

    told = app.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()

    assert (told["active"], told["sub"], told["iss"]) == (True, alice.id, live_server.url)


def test_the_app_acts_as_itself(live_server, metadata, example_client):
    app = OAuth2Session(example_client.client.id, example_client.secret, scope="account:read")

    token = app.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")

    assert "refresh_token" not in token
    assert app.get(f"{live_server.url}/v1/token").status_code == 200
    assert app.get(f"{live_server.url}/v1/me").status_code == 403


def test_a_second_app_of_the_same_person_is_another_matter(live_server, metadata, alice, bob, example_client):
    other = factories.make_client(bob, name="Other")
    person = Person(live_server.url)
    one, two = app_session(example_client, metadata), app_session(other, metadata)
    dance(one, person, metadata, alice)
    dance(two, person, metadata, alice)

    two.revoke_token(metadata["revocation_endpoint"], token=one.token["access_token"])

    assert one.get(f"{live_server.url}/v1/me").status_code == 200


@pytest.mark.own_server
def test_nothing_secret_stands_in_the_log(live_server, metadata, alice, example_client):
    app = app_session(example_client, metadata)
    token = dance(app, Person(live_server.url), metadata, alice)
    newer = app.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    live_server.stop()

    log = live_server.log.read_text()
    assert '"route":"/oauth/token"' in log
    issued = (token["access_token"], token["refresh_token"], newer["access_token"], newer["refresh_token"])
    for secret in (*issued, example_client.secret, "code=", factories.PASSWORD):
        assert secret not in log

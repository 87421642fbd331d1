"""The metadata tells the truth (G): each feature that it names works, each that it leaves out is refused."""

import pytest

from latchkey import scopes
from oauth.endpoints import metadata
from tests import factories
from tests.oauth import dance, signing
from tests.oauth.signing import Pair

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


@pytest.fixture
def document(caller):
    answer = caller.get(SERVER)
    assert answer.status_code == 200
    return answer.json


def path(url):
    assert url.startswith("http://localhost/")
    return url.removeprefix("http://localhost")


@pytest.mark.standard("G-03")
@pytest.mark.parametrize("address", [SERVER, RESOURCE])
def test_anybody_may_read_and_keep_it_for_minutes(caller, address):
    answer = caller.get(
        address, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://x.example"}
    )

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    assert "evil.example" not in answer.text
    asked = caller.options(
        address, headers={"Origin": "https://x.example", "Access-Control-Request-Headers": "MCP-Protocol-Version"}
    )
    assert asked.headers["Access-Control-Allow-Headers"] == "*"
    assert caller.post(address).status_code == 405
    assert caller.get(address + "/").status_code == 404


@pytest.mark.standard("G-01")
def test_the_issuer_is_the_configured_one(document, app):
    assert document["issuer"] == "http://localhost"
    with app.test_request_context():
        metadata.validate(metadata.authorization_server())


@pytest.mark.standard("G-02")
def test_what_it_says(document):
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"] == ["query"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    for name in (
        "registration_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "pushed_authorization_request_endpoint",
    ):
        assert name not in document


@pytest.mark.standard("G-02")
def test_every_grant_type_works_and_no_other(document, caller, signed_in, bob):
    app = factories.make_client(bob, device_flow=True)
    tried = {
        "authorization_code": lambda: dance.redeem(caller, app, dance.code(signed_in, app)),
        "refresh_token": lambda: dance.refresh(caller, app, dance.tokens(signed_in, app)["refresh_token"]),
        "client_credentials": lambda: dance.post(caller, "/oauth/token", app, grant_type="client_credentials"),
        dance.DEVICE: lambda: dance.poll(caller, app, dance.agreed(signed_in, caller, app)),
    }

    assert set(document["grant_types_supported"]) == set(tried)
    for attempt in tried.values():
        assert attempt().status_code == 200
    for grant_type in (
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ):
        answer = dance.post(caller, "/oauth/token", app, grant_type=grant_type)
        assert answer.json["error"] == "unsupported_grant_type"


@pytest.mark.standard("G-02")
@pytest.mark.parametrize(
    "endpoint, fields",
    [
        ("token", {"grant_type": "client_credentials"}),
        ("revocation", {"token": "x"}),
        ("introspection", {"token": "x"}),
    ],
)
def test_every_way_to_prove_oneself_works_and_no_other(document, caller, bob, endpoint, fields):
    app, public = factories.make_client(bob), factories.make_client(bob, name="Public", confidential=False)
    keyed, pair = factories.make_client(bob, name="With keys"), Pair()
    factories.give_keys(keyed.client, signing.key_set(pair))
    address = path(document[f"{endpoint}_endpoint"])
    ways = {
        "client_secret_basic": caller.post(address, data=fields, headers=dance.basic(app.client.id, app.secret)),
        "client_secret_post": caller.post(
            address, data=fields | {"client_id": app.client.id, "client_secret": app.secret}
        ),
        "none": caller.post(address, data=fields | {"client_id": public.client.id}),
        "private_key_jwt": caller.post(address, data=fields | pair.proof(keyed.client.id)),
    }

    for method, answer in ways.items():
        proved = answer.status_code != 401
        assert proved == (method in document[f"{endpoint}_endpoint_auth_methods_supported"]), method


@pytest.mark.standard("G-02")
def test_every_scope_can_be_asked_for(document, signed_in, bob):
    assert document["scopes_supported"] == [*scopes.catalogue(), "offline_access"]
    app = factories.make_client(bob, scopes=scopes.catalogue(), trusted=True)

    for scope in document["scopes_supported"]:
        assert "code" in dance.back(dance.authorize(signed_in, app, scope=scope)).parameters


@pytest.mark.standard("G-04", "H-02")
def test_what_discovery_offers_any_app_may_ask_for(caller, signed_in, bob):
    offered = caller.get(RESOURCE).json["scopes_supported"]
    app = factories.make_client(bob, scopes=offered)

    assert "account:read" in offered
    assert not {"tokens:write", "apps:write", "offline_access"} & set(offered)
    for path in ("/v1/me", "/oauth/check"):
        for headers in ({}, {"Authorization": "Bearer x"}):
            challenge = caller.get(path, headers=headers).headers["WWW-Authenticate"]
            assert f'scope="{" ".join(offered)}"' in challenge
    assert dance.authorize(signed_in, app, scope=" ".join(offered)).status_code == 200


@pytest.mark.standard("G-05")
def test_the_documentation_is_there(document, caller):
    assert document["service_documentation"] == "http://localhost/docs/oauth"
    assert path(document["authorization_endpoint"]) == "/oauth/authorize"


@pytest.mark.standard("G-04", "H-10")
def test_the_resource_leads_back_to_its_document_and_is_accepted(caller, signed_in, example_client):
    body = caller.get(RESOURCE).json

    assert body["resource"] + RESOURCE == "http://localhost" + RESOURCE
    assert body["authorization_servers"] == ["http://localhost"]
    assert body["bearer_methods_supported"] == ["header"]
    assert "account:read" in body["scopes_supported"]
    assert dance.authorize(signed_in, example_client, resource=body["resource"]).status_code == 200


@pytest.mark.standard("G-03")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("address", ["/.well-known/openid-configuration", "/.well-known/nothing", SERVER + "/x"])
def test_unknown_documents_are_problems(caller, address):
    answer = caller.get(address)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.standard("G-04", "Q-08")
def test_each_api_has_a_document_for_its_own_host_to_pass_on(two_apis, caller):
    answer = caller.get(RESOURCE + "/projects")

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json == {
        "resource": "HTTPS://API.example.com:443",
        "authorization_servers": ["http://localhost"],
        "scopes_supported": ["projects:read", "projects:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Projects API",
        "resource_documentation": "https://docs.example.com",
    }
    assert caller.get(RESOURCE + "/billing").json["scopes_supported"] == ["billing:read"]
    assert caller.get(RESOURCE + "/mcp").json["resource"] == "http://localhost/mcp"
    assert caller.get(RESOURCE + "/account").json == caller.get(RESOURCE).json
    assert caller.options(RESOURCE + "/projects").status_code == 204
    for name in ("nothing", "Projects", "projects/x", "%00"):
        assert caller.get(f"{RESOURCE}/{name}").status_code == 404

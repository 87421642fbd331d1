"""A token is for the APIs that were named for it, or for those of its scopes, and is refused everywhere else."""

import pytest

from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import apis, factories
from tests.apis import BILLING, PROJECTS
from tests.oauth import dance

ISSUER = "http://localhost"
ALL = ("account:read", "projects:read", "projects:write", "billing:read")

pytestmark = pytest.mark.usefixtures("two_apis")


@pytest.fixture
def registered(two_apis, bob):
    return factories.make_client(bob, scopes=ALL)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def told(caller, registered, token: str) -> dict:
    return dance.post(caller, "/oauth/introspect", registered, token=token).json


def check(caller, token: str, query: str) -> int:
    return caller.get(f"/oauth/check?{query}", headers=bearer(token)).status_code


def error(answer) -> str:
    return dance.back(answer).parameters["error"]


@pytest.mark.standard("H-10")
def test_without_resource_a_token_is_for_the_apis_of_its_scopes(signed_in, caller, registered):
    issued = dance.tokens(signed_in, registered, scope="projects:read account:read")

    assert told(caller, registered, issued["access_token"])["aud"] == ["HTTPS://API.example.com:443", ISSUER]
    assert check(caller, issued["access_token"], "resource=projects&scope=projects:read") == 200
    assert check(caller, issued["access_token"], "resource=billing") == 401
    assert caller.get("/v1/me", headers=bearer(issued["access_token"])).status_code == 200


@pytest.mark.standard("H-10", "Q-08")
def test_a_token_for_another_api_is_refused_here(signed_in, caller, registered):
    issued = dance.tokens(signed_in, registered, scope="projects:read", resource=PROJECTS)

    answer = caller.get("/v1/token", headers=bearer(issued["access_token"]))

    assert answer.status_code == 401
    assert answer.json["type"].endswith("#problem-wrong-resource")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource"' in answer.headers["WWW-Authenticate"]
    assert told(caller, registered, issued["access_token"])["aud"] == ["HTTPS://API.example.com:443"]


@pytest.mark.standard("H-10")
def test_a_developer_token_is_for_the_apis_of_its_scopes_and_for_the_mcp_server(caller, registered, alice):
    ours = factories.make_token(alice, description="a", scopes=["account:read"]).plaintext
    theirs = factories.make_token(alice, description="b", scopes=["projects:read"]).plaintext

    assert told(caller, registered, ours)["aud"] == [ISSUER, f"{ISSUER}/mcp"]
    assert told(caller, registered, theirs)["aud"] == ["HTTPS://API.example.com:443"]
    assert caller.get("/v1/me", headers=bearer(theirs)).json["type"].endswith("#problem-wrong-resource")
    assert check(caller, ours, "resource=mcp&scope=account:read") == 200
    assert check(caller, theirs, "resource=mcp") == 401


@pytest.mark.standard("Q-08")
def test_at_authorize_a_scope_of_another_resource_is_refused(signed_in, registered):
    answer = dance.authorize(signed_in, registered, scope="projects:read account:read", resource=PROJECTS)

    assert error(answer) == "invalid_scope"
    assert "account:read" in dance.back(answer).parameters["error_description"]


@pytest.mark.standard("Q-08")
def test_scopes_left_out_are_those_of_the_resource(signed_in, caller, registered):
    issued = dance.tokens(signed_in, registered, scope=None, resource=PROJECTS)

    assert issued["scope"] == "projects:read projects:write"


def test_a_resource_of_which_the_app_may_have_nothing_is_refused(signed_in, bob):
    registered = factories.make_client(bob, scopes=["account:read"])

    for scope in (None, "account:read", "projects:read"):
        assert error(dance.authorize(signed_in, registered, scope=scope, resource=PROJECTS)) == "invalid_scope"


@pytest.mark.standard("Q-08")
def test_several_resources_are_agreed_to_and_each_token_is_for_one(signed_in, caller, registered):
    query = [
        *dance.asked(registered, scope="projects:read billing:read").items(),
        ("resource", PROJECTS),
        ("resource", BILLING),
    ]
    page = signed_in.get("/oauth/authorize", query_string=query)
    code = dance.back(dance.decide(signed_in, page)).parameters["code"]

    issued = dance.redeem(caller, registered, code, resource=BILLING).json
    assert issued["scope"] == "billing:read"
    assert told(caller, registered, issued["access_token"])["aud"] == [BILLING]
    assert check(caller, issued["access_token"], "resource=billing&scope=billing:read") == 200
    assert check(caller, issued["access_token"], "resource=projects") == 401

    refreshed = dance.refresh(caller, registered, issued["refresh_token"]).json
    assert refreshed["scope"] == "projects:read billing:read"
    assert told(caller, registered, refreshed["access_token"])["aud"] == ["HTTPS://API.example.com:443", BILLING]

    narrowed = dance.refresh(caller, registered, refreshed["refresh_token"], resource=PROJECTS).json
    assert narrowed["scope"] == "projects:read"
    assert told(caller, registered, narrowed["access_token"])["aud"] == ["HTTPS://API.example.com:443"]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("Q-08", "H-10")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "resource",
    [
        "https://other.example",
        "projects",
        PROJECTS + "/x",
        PROJECTS + "#a",
        BILLING + "/",
        ISSUER,
        ISSUER + "/mcp",
        "x",
    ],
)
def test_an_unknown_or_foreign_resource_uses_up_neither_code_nor_refresh_token(signed_in, caller, registered, resource):
    code = dance.code(signed_in, registered, scope="projects:read", resource=PROJECTS)

    refused = dance.redeem(caller, registered, code, resource=resource)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")

    issued = dance.redeem(caller, registered, code).json
    refused = dance.refresh(caller, registered, issued["refresh_token"], resource=resource)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")

    again = dance.refresh(caller, registered, issued["refresh_token"])
    assert again.status_code == 200, again.text


@pytest.mark.parametrize("resource", [BILLING, ISSUER, ISSUER + "/mcp"])
def test_what_no_resource_was_named_for_is_not_widened_by_naming_one(signed_in, caller, registered, resource):
    code = dance.code(signed_in, registered, scope="projects:read")

    assert dance.redeem(caller, registered, code, resource=resource).json["error"] == "invalid_target"


def test_a_resource_narrows_what_no_resource_was_named_for(signed_in, caller, registered):
    code = dance.code(signed_in, registered, scope="projects:read account:read")

    issued = dance.redeem(caller, registered, code, resource="https://API.EXAMPLE.com/").json

    assert issued["scope"] == "projects:read"
    assert caller.get("/v1/me", headers=bearer(issued["access_token"])).status_code == 401
    again = dance.refresh(caller, registered, issued["refresh_token"], scope="account:read").json
    assert caller.get("/v1/me", headers=bearer(again["access_token"])).status_code == 200


def test_a_scope_of_another_resource_at_the_token_endpoint_is_refused_and_uses_nothing_up(
    signed_in, caller, registered
):
    issued = dance.tokens(signed_in, registered, scope="projects:read account:read")

    refused = dance.refresh(caller, registered, issued["refresh_token"], scope="account:read", resource=PROJECTS)
    assert refused.json["error"] == "invalid_scope"
    narrowed = dance.refresh(
        caller, registered, issued["refresh_token"], scope="account:read projects:read", resource=PROJECTS
    )
    assert narrowed.json["scope"] == "projects:read"


@pytest.mark.standard("H-10")
def test_a_token_for_the_mcp_server_is_not_for_the_api_and_the_other_way_round(signed_in, caller, registered):
    both = [*dance.asked(registered).items(), ("resource", ISSUER), ("resource", f"{ISSUER}/mcp")]
    page = signed_in.get("/oauth/authorize", query_string=both)
    code = dance.back(dance.decide(signed_in, page)).parameters["code"]

    first = dance.redeem(caller, registered, code).json
    assert told(caller, registered, first["access_token"])["aud"] == [f"{ISSUER}/mcp"]
    assert caller.get("/v1/me", headers=bearer(first["access_token"])).status_code == 401
    assert check(caller, first["access_token"], "resource=mcp&scope=account:read") == 200

    second = dance.refresh(caller, registered, first["refresh_token"], resource=ISSUER).json
    assert caller.get("/v1/me", headers=bearer(second["access_token"])).status_code == 200
    assert check(caller, second["access_token"], "resource=mcp") == 401


def test_an_app_acting_as_itself_names_a_resource(caller, registered):
    def ask(**more):
        return dance.post(caller, "/oauth/token", registered, grant_type="client_credentials", **more)

    issued = ask(resource=BILLING).json
    assert issued["scope"] == "billing:read"
    assert told(caller, registered, issued["access_token"])["aud"] == [BILLING]
    assert ask(resource="https://other.example").json["error"] == "invalid_target"
    assert ask(resource=BILLING, scope="projects:read").json["error"] == "invalid_scope"
    assert ask(resource=f"{ISSUER}/mcp").json["scope"] == "account:read"


def test_what_a_token_of_one_api_makes_is_for_no_other(signed_in, caller, bob):
    registered = factories.make_client(bob, scopes=["account:read", "tokens:write"], trusted=True)
    issued = dance.tokens(signed_in, registered, scope="account:read tokens:write", resource=ISSUER)
    made = caller.post(
        "/v1/tokens",
        json={"description": "made", "scopes": ["account:read"]},
        headers=bearer(issued["access_token"]),
    )
    assert made.status_code == 201, made.text

    assert check(caller, made.json["token"], "resource=account&scope=account:read") == 200
    assert check(caller, made.json["token"], "resource=mcp") == 401


class TestTheGatewayAsks:
    def test_by_name_and_by_every_spelling_of_the_identifier(self, caller, alice):
        token = factories.make_token(alice, scopes=["projects:read", "account:read"]).plaintext

        for named in ("projects", "https%3A%2F%2Fapi.example.com", "https://API.example.com:443/"):
            answer = caller.get(f"/oauth/check?scope=projects:read&resource={named}", headers=bearer(token))
            assert answer.status_code == 200
            # What it may do elsewhere is no business of that API.
            assert answer.headers["X-Auth-Scope"] == "projects:read"

    @pytest.mark.standard("H-10", "H-11")
    def test_and_the_challenge_names_that_apis_metadata_and_scopes(self, caller, alice):
        elsewhere = factories.make_token(alice, scopes=["account:read"]).plaintext
        metadata = f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource/projects"'

        for headers in ({}, bearer(elsewhere), bearer("x")):
            answer = caller.get("/oauth/check?resource=projects&scope=projects:write", headers=headers)
            assert answer.status_code == 401
            assert metadata in answer.headers["WWW-Authenticate"]
            assert 'scope="projects:read projects:write"' in answer.headers["WWW-Authenticate"]

        narrow = factories.make_token(alice, description="n", scopes=["projects:read"]).plaintext
        answer = caller.get("/oauth/check?resource=projects&scope=projects:write", headers=bearer(narrow))
        assert answer.status_code == 403
        assert metadata in answer.headers["WWW-Authenticate"]
        assert 'scope="projects:write"' in answer.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("named", ["", "nothing", "https://other.example", "%00", "projects&resource=nothing"])
    def test_an_unknown_api_is_never_nothing_required(self, caller, alice, named):
        token = factories.make_token(alice, scopes=["projects:read"]).plaintext

        assert check(caller, token, f"resource={named}") == 403

    def test_a_callers_own_query_behind_the_gateways_takes_nothing_away(self, caller, alice):
        token = factories.make_token(alice, scopes=["account:read"]).plaintext

        assert (
            check(caller, token, "scope=account:read&resource=projects&path=/x?resource=account&resource=account")
            == 401
        )

    def test_a_scope_of_another_api_is_never_held_there(self, caller, alice):
        token = factories.make_token(alice, scopes=["projects:read", "account:read"]).plaintext

        assert check(caller, token, "resource=projects&scope=account:read") == 403


class TestTheOperatorChangesTheFile:
    """A restart with another resources.toml: what was issued for an API is for no other that came in its place."""

    @pytest.fixture
    def issued(self, signed_in, registered):
        return dance.tokens(signed_in, registered, scope="projects:read", resource=PROJECTS)

    @pytest.mark.parametrize(
        "file",
        [
            "",
            apis.RESOURCES.replace("HTTPS://API.example.com:443", "https://other.example.com"),
            apis.RESOURCES.replace('["projects:read", "projects:write"]', '["projects:write"]').replace(
                '"billing:read",', '"billing:read", "projects:read",'
            ),
        ],
        ids=["gone", "moved", "scope given away"],
    )
    def test_a_token_opens_nothing_any_more(self, catalogues, caller, registered, issued, file):
        catalogues(apis.SCOPES, file)

        for place in ("projects", "billing", "account"):
            assert check(caller, issued["access_token"], f"resource={place}&scope=projects:read") in (401, 403)
        assert caller.get("/v1/token", headers=bearer(issued["access_token"])).status_code == 401
        refused = dance.refresh(caller, registered, issued["refresh_token"])
        assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")

        catalogues(apis.SCOPES, apis.RESOURCES)
        assert check(caller, issued["access_token"], "resource=projects&scope=projects:read") == 200
        assert dance.refresh(caller, registered, issued["refresh_token"]).status_code == 200

    def test_another_name_for_the_same_address_changes_nothing(self, catalogues, caller, registered, issued):
        catalogues(apis.SCOPES, apis.RESOURCES.replace("[projects]", "[work]"))

        assert check(caller, issued["access_token"], "resource=work&scope=projects:read") == 200

    def test_a_question_that_showed_another_api_is_asked_again(self, catalogues, signed_in, registered):
        page = dance.authorize(signed_in, registered, scope="projects:read")
        catalogues(apis.SCOPES, apis.RESOURCES.replace("Projects API", "Archive API"))

        answer = dance.decide(signed_in, page)

        assert answer.status_code == 200
        assert "Archive API" in answer.text
        assert db.query(Grant).count() == 0


def test_only_what_was_named_is_kept_with_grant_and_token(signed_in, registered):
    dance.tokens(signed_in, registered, scope="projects:read")
    dance.tokens(signed_in, registered, scope="projects:read", resource=PROJECTS)

    assert [grant.resource for grant in db.query(Grant).order_by(Grant.id)] == [None, "https://api.example.com/"]
    kept = [token.resource for token in db.query(Token).filter_by(kind="oat").order_by(Token.id)]
    assert kept == [None, "https://api.example.com/"]

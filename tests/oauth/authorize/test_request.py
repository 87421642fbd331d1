"""/oauth/authorize (B): what may be asked, where refusals go, and that nothing leaves before sign-in."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from latchkey import clients, grants
from latchkey.clients import Client
from latchkey.store.session import db
from tests import factories, pages
from tests.factories import CALLBACK
from tests.oauth import dance
from tests.oauth.conftest import enter

ISSUER = "http://localhost"


def stopped(answer):
    """An error page here: no redirect, and no way to the address that was sent (B-03)."""
    assert answer.status_code == 400, (answer.status, answer.text[:500])
    assert answer.content_type.startswith("text/html")
    assert "Location" not in answer.headers
    assert "evil.example" not in answer.text
    return True


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"redirect_uri": "https://evil.example/callback"},
            "asked us to send you to an address it has not registered.",
        ),
        ({"client_id": "app_00000000000000000000000000ff"}, "An app we do not know sent you here."),
        ({"client_id": None}, "An app we do not know sent you here."),
        ({"state": "x" * 1025}, "An app sent you here in a way we cannot answer."),
    ],
)
def test_people_read_why_a_request_was_stopped(signed_in, example_client, changes, words):
    page = dance.authorize(signed_in, example_client, **changes).text

    assert "We stopped this request" in page
    assert words in page
    assert page.count("That can be a mistake in the app, or somebody trying to get at your sign-in.") == 1


@pytest.mark.standard("B-09")
def test_agreeing_leads_back_with_code_state_and_issuer(signed_in, example_client):
    back = dance.back(dance.decide(signed_in, dance.authorize(signed_in, example_client)))

    assert back.uri == CALLBACK
    assert set(back.parameters) == {"code", "state", "iss"}
    assert back.parameters["state"] == "xyz"
    assert back.parameters["iss"] == ISSUER


@pytest.mark.standard("B-01")
def test_parameters_that_nobody_knows_are_ignored(signed_in, example_client):
    assert dance.authorize(signed_in, example_client, foo="1", audience="x").status_code == 200


@pytest.mark.standard("B-03")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "app_00000000000000000000000000ff"},
        {"client_id": "app_' OR 1=1"},
        {"client_id": "nul\x00"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": 'https://app.example.com/callback"'},
        {"redirect_uri": "https://app.example.com/callback\x00"},
        {"redirect_uri": "https://äpp.example.com/callback"},
        {"redirect_uri": "x" * 5000},
        {"state": "x" * 1025},
        {"state": "a\x00b"},
        {"state": "a\nb"},
    ],
)
def test_what_cannot_be_answered_at_the_app_is_an_error_page(signed_in, example_client, changes):
    assert stopped(dance.authorize(signed_in, example_client, **changes))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("B-01", "B-07", "B-09", "B-15", "B-16", "B-17", "C-01", "C-02", "C-03", "H-10")
@pytest.mark.parametrize(
    "changes, error",
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": 'code"\x00é'}, "unsupported_response_type"),
        ({"scope": "bogus"}, "invalid_scope"),
        ({"scope": "account:read bogus"}, "invalid_scope"),
        ({"scope": "account:read account:write"}, "invalid_scope"),
        ({"scope": 'account:read"'}, "invalid_scope"),
        ({"scope": "account:read\taccount:write"}, "invalid_scope"),
        ({"scope": "account:read\taccount:read", "resource": ISSUER}, "invalid_scope"),
        ({"scope": "account:read\N{NO-BREAK SPACE}account:read", "resource": ISSUER}, "invalid_scope"),
        ({"scope": "\x00"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"code_challenge": "a" * 100}, "invalid_request"),
        ({"code_challenge": "a" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "a" * 43 + "\n"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"resource": ISSUER + "/v1"}, "invalid_target"),
        ({"resource": ISSUER + "#"}, "invalid_target"),
        ({"resource": "https://localhost"}, "invalid_target"),
    ],
)
def test_a_refusal_goes_back_to_the_app_with_state_and_issuer(signed_in, example_client, changes, error):
    answer = dance.authorize(signed_in, example_client, **changes)

    back = dance.back(answer)
    assert back.uri == CALLBACK
    assert back.parameters["error"] == error
    assert back.parameters["state"] == "xyz"
    assert back.parameters["iss"] == ISSUER
    assert "code" not in back.parameters
    assert "evil.example" not in back.parameters.get("error_description", "")


@pytest.mark.standard("B-17")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "scope, description",
    [
        ("bogus", "The scope bogus is not in the catalogue."),
        ("account:read projects:read", "The scope projects:read is not in the catalogue."),
        ("account:read apps:write tokens:write", "The app may not ask for tokens:write, apps:write."),
        ("<b>bold</b>", "A scope is not in the catalogue."),
        ("https://evil.example", "A scope is not in the catalogue."),
        ("x" * 500, "A scope is not in the catalogue."),
        ("call+1-800", "A scope is not in the catalogue."),
    ],
)
def test_a_refused_scope_is_named_to_the_app(signed_in, example_client, scope, description):
    back = dance.back(dance.authorize(signed_in, example_client, scope=scope))

    assert back.parameters["error"] == "invalid_scope"
    assert back.parameters["error_description"] == description


@pytest.mark.parametrize(
    "scope",
    [
        " account:read",
        "account:read ",
        "  account:read  ",
        "offline_access account:read",
        "account:read offline_access",
    ],
)
def test_parts_of_the_scope_that_say_nothing_are_ignored(signed_in, caller, example_client, scope):
    issued = dance.tokens(signed_in, example_client, scope=scope)

    assert issued["scope"] == "account:read"
    again = dance.refresh(caller, example_client, issued["refresh_token"], scope=scope)
    assert again.json["scope"] == "account:read"


def test_offline_access_changes_nothing(signed_in, caller, bob):
    app = factories.make_client(bob, scopes=("account:read", "activity:read"))

    page = dance.authorize(signed_in, app, scope="offline_access")

    assert "account:read" in page.text
    assert "activity:read" in page.text
    assert "offline_access" not in page.text
    answer = dance.post(caller, "/oauth/token", app, grant_type="client_credentials", scope="offline_access")
    assert answer.json["scope"] == "account:read activity:read"
    assert "refresh_token" not in answer.json


@pytest.mark.parametrize("resource", [ISSUER, ISSUER + "/", "HTTP://LOCALHOST", "http://localhost:80/", ISSUER + "/."])
def test_every_spelling_of_the_resource_is_the_resource(signed_in, caller, example_client, resource):
    code = dance.code(signed_in, example_client, resource=resource)
    issued = dance.redeem(caller, example_client, code, resource=resource)

    assert issued.status_code == 200
    told = dance.post(caller, "/oauth/introspect", example_client, token=issued.json["access_token"]).json
    assert told["aud"] == [ISSUER]


@pytest.mark.standard("C-01")
@pytest.mark.parametrize(
    "uri", ["com.example.app:/cb", "com.example.app://cb", "cursor://anysphere.cursor-mcp/oauth/callback"]
)
def test_a_private_scheme_always_takes_pkce(signed_in, bob, uri):
    app = factories.make_client(bob, redirect_uris=(CALLBACK, uri), pkce_required=False)
    without = {"code_challenge": None, "code_challenge_method": None}

    refused = dance.back(dance.authorize(signed_in, app, redirect_uri=uri, **without))

    assert refused.parameters["error"] == "invalid_request"
    assert "code_challenge" in refused.parameters["error_description"]
    assert dance.authorize(signed_in, app, redirect_uri=CALLBACK, **without).status_code == 200
    assert dance.back(dance.decide(signed_in, dance.authorize(signed_in, app, redirect_uri=uri))).uri == uri


@pytest.mark.standard("B-10")
@pytest.mark.parametrize("changes", [{"scope": "bogus"}, {"code_challenge": None}, {"response_type": "token"}, {}])
def test_nothing_leaves_before_sign_in(client, example_client, changes):
    answer = dance.authorize(client, example_client, **changes)

    assert answer.status_code in (302, 303)
    target = urlsplit(answer.headers["Location"])
    assert (target.netloc, target.path) == ("", "/login")
    assert parse_qs(target.query)["next"][0].startswith(
        "/oauth/authorize?response_type=" if "response_type" not in changes else "/oauth/authorize?"
    )


def test_sign_in_comes_back_to_the_same_request(client, alice, example_client):
    answer = dance.authorize(client, example_client, state="a b+é&")
    login = answer.headers["Location"]
    page = client.get(login)
    assert "Example" in page.text
    way_back = parse_qs(urlsplit(login).query)["next"][0]

    answer = client.post(
        "/login",
        data={"csrf_token": pages.csrf(page), "email": alice.email, "password": factories.PASSWORD, "next": way_back},
    )

    assert answer.headers["Location"] == way_back
    back = dance.back(dance.decide(client, client.get(way_back)))
    assert back.parameters["state"] == "a b+é&"


@pytest.mark.standard("B-02")
@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "response_type",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "response_mode",
        "request",
    ],
)
def test_a_parameter_that_appears_twice_is_refused(signed_in, example_client, name):
    given = dance.asked(example_client)
    doubled = [*given.items(), (name, given.get(name, "login")), (name, given.get(name, "login"))]

    answer = signed_in.get("/oauth/authorize?" + urlencode(doubled))

    if name in ("client_id", "redirect_uri"):
        assert stopped(answer)
    else:
        assert dance.back(answer).parameters["error"] == "invalid_request"


@pytest.mark.standard("B-02")
def test_the_resource_may_be_repeated(signed_in, example_client):
    query = [*dance.asked(example_client).items(), ("resource", ISSUER), ("resource", ISSUER)]

    assert signed_in.get("/oauth/authorize?" + urlencode(query)).status_code == 200


@pytest.mark.parametrize("sent", ["%ff", "%c3%28", "a%80"])
def test_a_request_that_is_not_utf8_is_stopped(signed_in, example_client, sent):
    query = urlencode(dance.asked(example_client, state=None))

    assert stopped(signed_in.get(f"/oauth/authorize?{query}&state={sent}"))


@pytest.mark.standard("B-08")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "state", ["a%20b%2B%C3%A9%26", "%22%3C%3E%5C%25", "x" * 1024, "%F0%9F%97%9D", "%25zz%2500", "%E2%80%8B"]
)
def test_state_comes_back_as_it_was(signed_in, example_client, state):
    query = urlencode(dance.asked(example_client, state=None))

    page = signed_in.get(f"/oauth/authorize?{query}&state={state}")
    success = dance.back(dance.decide(signed_in, page))
    failure = dance.back(
        signed_in.get(f"/oauth/authorize?{query}&scope=bogus&state={state}".replace("scope=account%3Aread&", ""))
    )

    expected = parse_qs(f"state={state}")["state"][0]
    assert success.parameters["state"] == expected
    assert failure.parameters["state"] == expected


@pytest.mark.standard("B-08")
def test_without_state_none_comes_back(signed_in, example_client):
    back = dance.back(dance.decide(signed_in, dance.authorize(signed_in, example_client, state=None)))

    assert set(back.parameters) == {"code", "iss"}


@pytest.mark.standard("B-06")
def test_the_redirect_uri_may_be_left_out_when_there_is_one(signed_in, example_client):
    page = dance.authorize(signed_in, example_client, redirect_uri=None)

    assert dance.back(dance.decide(signed_in, page)).uri == CALLBACK


@pytest.mark.standard("B-06")
def test_the_redirect_uri_is_needed_when_there_are_two(signed_in, bob):
    two = factories.make_client(bob, redirect_uris=(CALLBACK, "https://app.example.com/other"))

    assert stopped(dance.authorize(signed_in, two, redirect_uri=None))


@pytest.mark.standard("B-17")
def test_without_scope_the_app_asks_for_all_that_it_is_registered_for(signed_in, bob):
    wide = factories.make_client(bob, scopes=("account:read", "activity:read"))

    page = dance.authorize(signed_in, wide, scope=None)

    assert "account:read" in page.text
    assert "activity:read" in page.text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("B-18")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "registered, expected",
    [
        ("https://c.example/cb?x", "https://c.example/cb?x&code="),
        ("https://c.example/cb?a=b%20c", "https://c.example/cb?a=b%20c&code="),
        ("https://c.example/cb?", "https://c.example/cb?code="),
        ("https://c.example/cb?a=1&", "https://c.example/cb?a=1&code="),
        ("https://c.example", "https://c.example?code="),
        ("https://c.example/%7Euser/;x=1", "https://c.example/%7Euser/;x=1?code="),
        ("https://c.example/a'(b)!,$", "https://c.example/a'(b)!,$?code="),
        ("com.example.app:/cb", "com.example.app:/cb?code="),
        ("com.example.app:/", "com.example.app:/?code="),
        ("http://127.0.0.1/cb", "http://127.0.0.1/cb?code="),
    ],
)
def test_a_registered_uri_keeps_every_byte(signed_in, bob, registered, expected):
    app = factories.make_client(bob, redirect_uris=(registered,))

    answer = dance.decide(signed_in, dance.authorize(signed_in, app, redirect_uri=registered))

    assert answer.headers["Location"].startswith(expected)


@pytest.mark.standard("B-19")
def test_a_suspended_client_is_stopped_also_between_question_and_answer(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    clients.suspend(example_client.client)
    db.commit()

    assert stopped(dance.decide(signed_in, page))
    assert stopped(dance.authorize(signed_in, example_client))


def test_a_redirect_uri_that_was_removed_meanwhile_is_not_used(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    db.get(Client, example_client.client.id).redirect_uris = ["https://app.example.com/new"]
    db.commit()

    assert stopped(dance.decide(signed_in, page))


@pytest.mark.standard("B-14")
def test_there_is_no_cross_origin_access(signed_in, example_client):
    query = urlencode(dance.asked(example_client))

    for answer in (
        signed_in.get("/oauth/authorize?" + query, headers={"Origin": "https://app.example.com"}),
        signed_in.options("/oauth/authorize", headers={"Origin": "https://app.example.com"}),
        signed_in.get("/login", headers={"Origin": "https://app.example.com"}),
    ):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.standard("B-12")
@pytest.mark.parametrize("decision", ["allow", "deny", "switch"])
def test_every_redirect_after_a_post_is_a_303(signed_in, example_client, decision):
    page = dance.authorize(signed_in, example_client)

    assert dance.decide(signed_in, page, decision).status_code == 303


class TestPrompt:
    @pytest.mark.standard("R-03")
    @pytest.mark.standard("B-10", "B-11")
    @pytest.mark.parametrize("vouched", ["trusted", "authorized by somebody"])
    def test_none_without_session(self, client, alice, bob, vouched):
        app = factories.make_client(bob, trusted=vouched == "trusted")
        if vouched != "trusted":
            grants.allow(alice, app.client, ["account:read"])
            db.commit()

        back = dance.back(dance.authorize(client, app, prompt="none"))

        assert back.parameters["error"] == "login_required"
        assert back.parameters["state"] == "xyz"
        assert back.parameters["iss"] == ISSUER

    @pytest.mark.standard("B-10", "B-11")
    @pytest.mark.parametrize("by", ["nobody", "its owner", "somebody once"])
    def test_none_without_session_does_not_lead_off_to_what_only_its_owner_vouches_for(
        self, client, alice, bob, example_client, by
    ):
        if by != "nobody":
            grants.allow(bob if by == "its owner" else alice, example_client.client, ["account:read"])
        if by == "somebody once":
            grants.withdraw(grants.find_authorization(alice, example_client.client))
        db.commit()

        answer = dance.authorize(client, example_client, prompt="none")

        assert stopped(answer)
        assert "app.example.com" not in answer.text

    def test_none_without_session_and_with_a_fault_stays_here(self, client, example_client):
        answer = dance.authorize(client, example_client, prompt="none", scope="bogus")

        assert answer.headers["Location"].startswith("/login")

    @pytest.mark.standard("R-03")
    def test_none_with_a_foreign_redirect_uri(self, client, signed_in, example_client):
        for browser in (client, signed_in):
            assert stopped(
                dance.authorize(browser, example_client, prompt="none", redirect_uri="https://evil.example/")
            )

    @pytest.mark.standard("R-03")
    def test_none_without_consent(self, signed_in, example_client):
        assert (
            dance.back(dance.authorize(signed_in, example_client, prompt="none")).parameters["error"]
            == "consent_required"
        )

    def test_none_with_consent(self, signed_in, example_client):
        dance.code(signed_in, example_client)

        assert "code" in dance.back(dance.authorize(signed_in, example_client, prompt="none")).parameters

    def test_consent_asks_again(self, signed_in, example_client):
        dance.code(signed_in, example_client)

        assert dance.authorize(signed_in, example_client).status_code == 303
        assert dance.authorize(signed_in, example_client, prompt="consent").status_code == 200

    @pytest.mark.standard("R-03")
    def test_login_asks_for_the_password_again_and_once(self, signed_in, alice, example_client, clock):
        dance.code(signed_in, example_client)
        clock.move(seconds=5)
        answer = dance.authorize(signed_in, example_client, prompt="login")
        login = answer.headers["Location"]
        assert login.startswith("/login?")
        way_back = parse_qs(urlsplit(login).query)["next"][0]
        page = signed_in.get(login)
        assert page.status_code == 200
        # Going back without signing in changes nothing.
        assert signed_in.get(way_back).headers["Location"].startswith("/login?")
        clock.move(seconds=5)

        answer = signed_in.post(
            "/login",
            data={
                "csrf_token": pages.csrf(page),
                "email": alice.email,
                "password": factories.PASSWORD,
                "next": way_back,
            },
        )

        assert "code" in dance.back(signed_in.get(answer.headers["Location"])).parameters


@pytest.mark.standard("R-03")
@pytest.mark.parametrize("seen_at", ["0", "1", "99999999999"])
def test_the_caller_cannot_say_when_a_request_was_first_seen(signed_in, example_client, clock, seen_at):
    dance.code(signed_in, example_client)
    clock.move(hours=2)

    for _ in range(2):
        answer = dance.authorize(signed_in, example_client, prompt="login", seen_at=seen_at)
        assert answer.headers["Location"].startswith("/login?")


def test_one_fresh_sign_in_counts_for_one_request(app, alice, example_client, clock):
    browser = app.test_client()
    login = dance.authorize(browser, example_client, prompt="login").headers["Location"]
    clock.move(seconds=5)
    way_back = parse_qs(urlsplit(login).query)["next"][0]
    fields = {"email": alice.email, "password": factories.PASSWORD, "next": way_back}
    browser.post("/login", data=fields | {"csrf_token": pages.csrf(browser.get(login))})
    page = browser.get(way_back)
    assert "code" in dance.back(dance.decide(browser, page)).parameters
    clock.move(seconds=5)

    assert dance.authorize(browser, example_client, prompt="login").headers["Location"].startswith("/login?")
    assert (
        dance.authorize(browser, example_client, prompt="login", state="other")
        .headers["Location"]
        .startswith("/login?")
    )


def test_a_sign_in_long_ago_is_not_a_fresh_one(signed_in, alice, example_client, clock):
    """The request was seen before that sign-in, but nobody signed in because of it."""
    dance.authorize(signed_in, example_client, prompt="login")
    clock.move(seconds=5)
    enter(signed_in, alice)
    clock.move(minutes=16)

    assert dance.authorize(signed_in, example_client, prompt="login").headers["Location"].startswith("/login?")


@pytest.mark.standard("L-08")
def test_an_unverified_address_is_verified_first(app, db, example_client):
    carol = factories.make_user("carol@example.com", verified=False)
    browser = pages.sign_in(app.test_client(), carol)

    answer = dance.authorize(browser, example_client)

    target = urlsplit(answer.headers["Location"])
    assert target.path == "/verify-email"
    assert parse_qs(target.query)["next"][0].startswith("/oauth/authorize?")
    assert dance.back(dance.authorize(browser, example_client, prompt="none")).parameters["error"] == "consent_required"

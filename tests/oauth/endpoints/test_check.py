"""/oauth/check: the bearer decision for gateways (H-11): 200, 401 or 403, and headers that nothing can break."""

from datetime import timedelta

import pytest

from latchkey import credentials, resources
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.journal.calls import counting, refused_calls
from latchkey.store import session as database
from latchkey.store.session import db
from latchkey.tokens import Token, usage
from tests import factories
from tests.oauth import dance

CHALLENGE = 'Bearer realm="api", '
METADATA = 'resource_metadata="http://localhost/.well-known/oauth-protected-resource"'


def check(caller, token, query="", method="GET", **headers):
    given = {"Authorization": f"Bearer {token}"} if token is not None else {}
    answer = caller.open(f"/oauth/check{query}", method=method, headers=given | headers)
    assert answer.status_code in (200, 401, 403)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code != 200)
    return answer


def test_a_developer_token(caller, alice):
    made = factories.make_token(alice, scopes=("account:read", "activity:read"))

    answer = check(caller, made.plaintext, "?scope=account:read%20activity:read")

    assert answer.status_code == 200
    assert answer.headers["X-Auth-User-Id"] == alice.id
    assert answer.headers["X-Auth-Email"] == "alice@example.com"
    assert answer.headers["X-Auth-Client-Id"] == ""
    assert answer.headers["X-Auth-Scope"] == "account:read activity:read"
    assert answer.headers["X-Auth-Token-Id"] == made.token.id


def test_an_access_token(signed_in, caller, alice, example_client):
    issued = dance.tokens(signed_in, example_client)

    answer = check(caller, issued["access_token"], "?scope=account:read")

    assert answer.headers["X-Auth-User-Id"] == alice.id
    assert answer.headers["X-Auth-Client-Id"] == example_client.client.id


def test_an_app_as_itself_is_no_user(caller, example_client):
    token = dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials").json["access_token"]

    answer = check(caller, token)

    assert (answer.headers["X-Auth-User-Id"], answer.headers["X-Auth-Email"]) == ("", "")
    assert answer.headers["X-Auth-Client-Id"] == example_client.client.id


@pytest.mark.standard("H-11")
@pytest.mark.parametrize("of", ["a developer", "another token", "a user's app", "an app itself"])
def test_a_gateway_reads_less_of_a_token_than_a_guard_and_is_told_the_same(
    signed_in, caller, alice, example_client, of
):
    if of == "a user's app":
        token = dance.tokens(signed_in, example_client)["access_token"]
    elif of == "an app itself":
        token = dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials").json["access_token"]
    else:
        parent = factories.make_token(alice, scopes=("account:read", "tokens:write"))
        child = factories.make_token(alice, parent=parent.token, lifetime=timedelta(days=1))
        token = (parent if of == "a developer" else child).plaintext

    gateway, guard = check(caller, token), check(caller, token, **{"X-Latchkey-Guard": "1"})

    assert "X-Auth-Ends-With" in guard.headers
    told = {name: text for name, text in gateway.headers if name.startswith("X-Auth-")}
    assert len(told) == 5
    assert told == {name: guard.headers[name] for name in told}


@pytest.mark.standard("H-02")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Token x", "Bearer", "Bearer ", "bearer", "BEARER   "])
def test_without_a_bearer_no_error_is_named(caller, alice, header):
    answer = caller.get("/oauth/check", headers={} if header is None else {"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'{CHALLENGE}scope="{resources.account().default}", {METADATA}'


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("token", ["x", "é", "a b", "lk_dev_000000000000000000000000000000000000", "x" * 7000])
def test_an_unknown_token(caller, alice, token):
    answer = check(caller, token.encode().decode("latin-1"))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(CHALLENGE + 'error="invalid_token"')


@pytest.mark.standard("H-01", "H-11")
@pytest.mark.parametrize(
    "header", ["Bearer {}, Bearer y", "Bearer {},Basic eDp5", "bearer  {},x", "Basic eDp5, Bearer {}"]
)
def test_two_credentials_are_none_as_at_the_api(caller, alice, header):
    answer = check(caller, None, Authorization=header.format(factories.make_token(alice).plaintext))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(CHALLENGE + 'error="invalid_request"')


def test_a_token_in_the_address_or_body_is_not_seen(signed_in, caller, alice):
    token = factories.make_token(alice).plaintext

    assert caller.get(f"/oauth/check?access_token={token}").status_code == 401
    assert caller.post("/oauth/check", data={"access_token": token}).status_code == 401
    assert signed_in.get("/oauth/check").status_code == 401


def test_a_missing_scope_is_named_with_all_that_are_needed(caller, alice):
    token = factories.make_token(alice).plaintext

    answer = check(caller, token, "?scope=account:write%20account:read")

    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        CHALLENGE + 'error="insufficient_scope", error_description="The token lacks a scope that this call needs.", '
        'scope="account:read account:write", ' + METADATA
    )


@pytest.mark.standard("H-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "query",
    [
        "?scope=bogus",
        "?scope=account:read%20bogus",
        "?scope=",
        "?scope=%20",
        "?scope=%ff",
        "?scope=%22%0d%0aX:y",
        "?scope=account:read&scope=bogus",
        "?scope=" + "bogus" * 5_000,
    ],
)
def test_an_unknown_scope_is_never_nothing_required(caller, alice, query):
    answer = check(caller, factories.make_token(alice).plaintext, query)

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert "bogus" not in answer.headers["WWW-Authenticate"]


@pytest.mark.standard("H-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "query",
    [
        "?scopes=account:write",
        "?Scope=account:write",
        "?scope[]=account:write",
        "?scope=account:read&amp;resource=account",
        "?resource=account&%20scope=account:write",
        "?scope=account:read&resources=account",
        "?scope=account:read&audience=account",
        "?aud=account",
        "?=account:write",
        "?scopes",
        "?scopes=account:write&path=/projects",
    ],
)
def test_a_misspelt_parameter_is_never_nothing_required(caller, alice, query):
    answer = check(caller, factories.make_token(alice).plaintext, query)

    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"].startswith(CHALLENGE + 'error="invalid_request", error_description=')


@pytest.mark.standard("H-11")
@pytest.mark.parametrize(
    "query",
    [
        "?scope=account:read&path=/projects?page=2&scopes=a&filter[]=b",
        "?scope=account:read&path=*",
        "?resource=account&asked=/projects/1?scopes=a",
        "?scope=account:read&/projects?page=2",
    ],
)
def test_behind_the_path_of_the_call_stand_the_callers_own(caller, alice, query):
    token = factories.make_token(alice).plaintext

    assert check(caller, token, query).status_code == 200
    # They may ask for more, and never for less.
    assert check(caller, token, query + "&scope=account:write").status_code == 403
    assert check(caller, token, query + "&resource=elsewhere").status_code == 403


@pytest.mark.standard("H-01")
def test_a_token_in_the_address_beside_one_in_the_header_changes_nothing(caller, alice):
    assert check(caller, factories.make_token(alice).plaintext, "?access_token=x&scope=account:read").status_code == 200


@pytest.mark.standard("A-06")
def test_so_many_resources_are_not_looked_for(caller, alice):
    token = factories.make_token(alice).plaintext

    assert check(caller, token, "?" + "resource=account&" * 10).status_code == 200
    assert check(caller, token, "?" + "resource=account&" * 11).status_code == 403


@pytest.mark.standard("H-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X-OWN"]
)
def test_any_method_is_answered(caller, alice, method):
    token = factories.make_token(alice).plaintext

    assert check(caller, token, method=method).status_code == 200
    assert check(caller, None, method=method).status_code == 401


@pytest.mark.standard("H-11")
@pytest.mark.parametrize(
    "email, sent",
    [
        ("é@example.com", "%C3%A9@example.com"),
        ("a%b@example.com", "a%25b@example.com"),
        ("x\r\nX: y@example.com", "x%0D%0AX: y@example.com"),
    ],
)
def test_an_address_cannot_break_a_header(caller, alice, email, sent):
    token = factories.make_token(alice).plaintext
    users.find(alice.id).email = email
    db.commit()

    assert check(caller, token).headers["X-Auth-Email"] == sent


def test_it_agrees_with_the_state_at_this_moment(caller, alice):
    token = factories.make_token(alice).plaintext
    assert check(caller, token).status_code == 200
    users.disable(users.find(alice.id))
    db.commit()

    assert check(caller, token).status_code == 401


def test_a_database_that_is_away_is_a_no(caller, alice, monkeypatch):
    token = factories.make_token(alice).plaintext
    engines = database.engines()
    monkeypatch.setattr(engines, "fetch", lambda *_: 1 / 0)

    assert check(caller, token).status_code == 403


def alike(caller, path, plaintext, **more):
    """The answer to a bound token beside that to one that never was: status, body and headers."""
    answers = [
        caller.get(path, headers={"Authorization": f"Bearer {text}"}, **more)
        for text in (plaintext, credentials.generate(Kind.DEVELOPER))
    ]
    first, second = (
        (
            answer.status,
            answer.get_data(as_text=True).replace(answer.headers["X-Request-Id"], ""),
            [(name, value) for name, value in answer.headers if name != "X-Request-Id"],
        )
        for answer in answers
    )
    assert first == second
    return answers[0]


BOUND = ["203.0.113.0/24", "2001:db8::/48"]
OUTSIDE = ["198.51.100.1", "2001:db8:1::1", "", "x", "203.0.113.9, 198.51.100.1", "unknown", "*"]


@pytest.mark.standard("I-12")
@pytest.mark.settings(trusted_proxies=1)
@pytest.mark.parametrize("path", ["/oauth/check", "/v1/me", "/v1/token", "/v1/tokens"])
def test_from_outside_its_ranges_a_token_is_answered_as_one_that_never_was(caller, alice, path):
    plaintext = factories.make_token(alice, scopes=["account:read", "tokens:read"], addresses=BOUND).plaintext

    for address in OUTSIDE:
        answer = alike(caller, path, plaintext, environ_overrides={"HTTP_X_FORWARDED_FOR": address})
        assert answer.status_code == 401
    # Proxies that name nobody, such as one that was not told to.
    assert alike(caller, path, plaintext, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}).status_code == 401
    for address in ("203.0.113.9", "198.51.100.1, 203.0.113.9", "::ffff:203.0.113.9", '"[2001:db8::1]:4711"'):
        given = {"Authorization": f"Bearer {plaintext}", "X-Forwarded-For": address}
        assert caller.get(path, headers=given).status_code == 200


@pytest.mark.standard("I-12", "A-03")
@pytest.mark.settings(trusted_proxies=2)
@pytest.mark.parametrize("path", ["/oauth/check", "/v1/me"])
def test_what_a_caller_sends_ahead_of_two_proxies_brings_no_token_inside_its_ranges(caller, alice, path):
    plaintext = factories.make_token(alice, scopes=["account:read"], addresses=BOUND).plaintext
    forged = [
        "203.0.113.9, 198.51.100.1, 192.0.2.1",
        "203.0.113.9, 203.0.113.9, 198.51.100.1, 192.0.2.1",
        # Fewer than the proxies write: one of them was passed by.
        "203.0.113.9",
        "198.51.100.1, 203.0.113.9",
        "203.0.113.9, unknown, 192.0.2.1",
    ]

    for address in forged:
        answer = alike(caller, path, plaintext, environ_overrides={"HTTP_X_FORWARDED_FOR": address})
        assert answer.status_code == 401, address
    given = {"Authorization": f"Bearer {plaintext}", "X-Forwarded-For": "198.51.100.1, 203.0.113.9, 192.0.2.1"}
    assert caller.get(path, headers=given).status_code == 200


@pytest.mark.standard("I-12")
def test_without_trusted_proxies_the_gateways_own_address_opens_nothing(caller, alice):
    plaintext = factories.make_token(alice, scopes=["account:read"], addresses=["127.0.0.0/8", *BOUND]).plaintext
    said = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}

    assert alike(caller, "/oauth/check", plaintext, environ_overrides=said).status_code == 401
    assert alike(caller, "/oauth/check", plaintext).status_code == 401
    assert alike(caller, "/v1/me", plaintext, environ_overrides=said | {"REMOTE_ADDR": "192.0.2.1"}).status_code == 401
    assert caller.get("/v1/me", headers={"Authorization": f"Bearer {plaintext}"}).status_code == 200


@pytest.mark.standard("I-12")
@pytest.mark.settings(trusted_proxies=1)
def test_a_call_from_outside_is_told_to_the_owner_and_is_no_use(caller, alice):
    made = factories.make_token(alice, addresses=BOUND)

    for path in ("/oauth/check", "/v1/me"):
        alike(caller, path, made.plaintext, environ_overrides={"HTTP_X_FORWARDED_FOR": "198.51.100.1"})

    usage.flush()
    counting.flush()
    assert db.get(Token, made.token.id).last_used_at is None
    told = {(each.reason, each.address) for each in refused_calls.latest_of(token_id=made.token.id)}
    assert told == {("It came from an address outside the allowed ranges", "198.51.100.1")}

"""The app's owner reads why requests were refused; nothing of what was sent is kept (latchkey.refusals)."""

from itertools import combinations

import pytest

from latchkey import clients
from latchkey.journal import refusals
from latchkey.journal.refusals import Refusal
from latchkey.store.session import db
from oauth.protocol import parameters
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance


def latest(registered):
    db.rollback()
    refusal, *_ = refusals.list_for(clients.find(registered.client.id), 1)
    return refusal.endpoint, refusal.error, refusal.reason


@pytest.mark.standard("P-02")
@pytest.mark.parametrize(
    "changes, error, reason",
    [
        ({"redirect_uri": CALLBACK + "/"}, "invalid_request", "redirect URI differs in the trailing slash"),
        ({"redirect_uri": CALLBACK + "?x"}, "invalid_request", "redirect URI differs in the query"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request", "redirect URI is none of the registered ones"),
        ({"scope": "bogus"}, "invalid_scope", "a scope is not in the catalogue"),
        ({"scope": "account:read account:write"}, "invalid_scope", "the app may not ask for account:write"),
        ({"code_challenge": None}, "invalid_request", "The code_challenge is missing: PKCE is required."),
        ({"prompt": "none"}, "consent_required", "The user has to agree first."),
    ],
)
def test_an_authorization_request(signed_in, example_client, changes, error, reason):
    answer = dance.authorize(signed_in, example_client, **changes)

    assert latest(example_client) == ("authorize", error, reason)
    assert db.query(Refusal).one().request_id == answer.headers["X-Request-Id"]


OTHER_URI = {
    "error": "invalid_grant",
    "error_description": "The redirect_uri must be the same as in the authorization request.",
}
NO_CODE = {
    "error": "invalid_grant",
    "error_description": "The code is unknown or long expired, or was issued to another client.",
}
OTHER_VERIFIER = {
    "error": "invalid_grant",
    "error_description": "The code_verifier does not belong to the code_challenge of this code.",
}
SHORT_VERIFIER = {
    "error": "invalid_request",
    "error_description": "The code_verifier must be 43 to 128 of A-Z, a-z, 0-9, -, ., _ and ~.",
}


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"redirect_uri": CALLBACK + "/"}, OTHER_URI),
        ({"redirect_uri": None}, OTHER_URI),
        ({"code": "x"}, NO_CODE),
        ({"code_verifier": "b" * 43}, OTHER_VERIFIER),
        ({"code_verifier": "b" * 42}, SHORT_VERIFIER),
    ],
)
def test_an_exchange_is_refused_with_what_to_mend_and_uses_nothing_up(signed_in, caller, example_client, changes, told):
    code = dance.code(signed_in, example_client)

    refused = dance.redeem(caller, example_client, code, **changes)

    assert (refused.status_code, refused.json) == (400, told)
    assert dance.redeem(caller, example_client, code).status_code == 200


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "changes, told, untold",
    [
        ({"redirect_uri": CALLBACK + "/"}, "register the very one that the app sends", "on the app’s page"),
        ({"client_id": "nobody"}, "Compare it with the one on the app’s page", "character by character"),
    ],
)
def test_the_page_of_a_stopped_request_tells_the_developer_what_to_mend(
    signed_in, example_client, changes, told, untold
):
    page = dance.authorize(signed_in, example_client, **changes).text

    assert told in page
    assert untold not in page


def test_a_token_request(signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)

    dance.redeem(caller, example_client, code, code_verifier="b" * 43)
    assert latest(example_client) == (
        "token",
        "invalid_grant",
        "The code_verifier does not belong to the code_challenge of this code.",
    )
    dance.redeem(caller, example_client, code)
    dance.redeem(caller, example_client, code)
    assert latest(example_client) == ("token", "invalid_grant", "The code was used before.")
    caller.post("/oauth/token", data={"grant_type": "x"}, headers=dance.basic(example_client.client.id, "lk_sec_x"))
    assert latest(example_client) == (
        "token",
        "unsupported_grant_type",
        "The grant_type is none of those in the metadata.",
    )
    caller.post("/oauth/introspect", data={"token": "x"}, headers=dance.basic(example_client.client.id, "lk_sec_x"))
    assert latest(example_client) == ("introspect", "invalid_client", "client secret is wrong or no longer valid")
    caller.post("/oauth/revoke", data={"token": "x", "client_id": example_client.client.id})
    assert latest(example_client) == (
        "revoke",
        "invalid_client",
        "no client secret was sent, and the app is confidential",
    )


def test_nothing_that_was_sent_is_kept(signed_in, caller, example_client, bob):
    issued = dance.tokens(signed_in, example_client)
    tool = factories.make_client(bob, name="Tool", confidential=False, device_flow=True)
    for answer in (
        dance.begin(caller, tool, scope="secret-looking:word"),
        dance.post(
            caller, "/oauth/token", example_client, grant_type="client_credentials", scope="secret-looking:word"
        ),
    ):
        assert "secret-looking:word" in answer.json["error_description"]
    dance.refresh(caller, example_client, issued["refresh_token"], scope="secret-looking:scope")
    dance.authorize(signed_in, example_client, redirect_uri="https://evil.example/secret")

    kept = str([(r.endpoint, r.error, r.reason, r.request_id) for r in db.query(Refusal)])
    for text in ("secret-looking", "evil.example", issued["refresh_token"], example_client.secret):
        assert text not in kept


def test_a_flood_is_not_kept(caller, example_client, clock):
    for _ in range(refusals.ALIKE_A_MINUTE + 3):
        dance.post(caller, "/oauth/token", example_client)
    assert db.query(Refusal).count() == refusals.ALIKE_A_MINUTE

    clock.move(minutes=1)
    dance.post(caller, "/oauth/token", example_client)

    assert db.query(Refusal).count() == refusals.ALIKE_A_MINUTE + 1


# What a stranger is refused for by a public app, each for another reason or for another scope.
NAMES = ("account:write", "activity:read", "apps:read", "authorizations:read", "tokens:read")
TOGETHER = [" ".join(some) for most in range(1, 6) for some in combinations(NAMES, most)]


@pytest.mark.standard("P-02")
def test_however_a_stranger_puts_scopes_together_the_owner_reads_what_the_app_itself_asked_for(caller, bob, clock):
    tool = factories.make_client(bob, name="Tool", confidential=False, device_flow=True, scopes=["account:read"])
    for scope in [*TOGETHER, *TOGETHER[::-1]]:
        assert dance.begin(caller, tool, scope=f"account:read {scope}").json["error"] == "invalid_scope"

    for wrong in ("nothing:here", "authorizations:write"):
        dance.begin(caller, tool, scope=wrong)

    reasons = [refusal.reason for refusal in refusals.list_for(tool.client, 20)]
    assert reasons[:2] == ["the app may not ask for authorizations:write", "a scope is not in the catalogue"]
    # Each by its first scope, alone or with others.
    assert len(set(reasons)) <= 2 * (len(NAMES) + 1)
    assert db.query(Refusal).count() <= 2 * len(NAMES) * refusals.ALIKE_A_MINUTE + 2


@pytest.mark.standard("P-02")
def test_what_an_app_is_told_of_its_scopes_names_more_of_them(caller, bob):
    tool = factories.make_client(bob, name="Tool", confidential=False, device_flow=True, scopes=["account:read"])

    told = dance.begin(caller, tool, scope="account:write apps:read activity:read").json["error_description"]

    assert told == "The app may not ask for account:write, apps:read, activity:read."


def doubled(caller, client_id, endpoint):
    """All the ways to send a parameter twice."""
    for name in sorted(parameters.KNOWN):
        body = f"client_id={client_id}&grant_type=x&{name}=a&{name}=b"
        caller.post(endpoint, data=body, content_type=parameters.FORM)


@pytest.mark.standard("P-02")
@pytest.mark.unnoted("others run the same lines")
def test_no_number_of_reasons_hides_one_that_comes_seldom(signed_in, caller, example_client, clock):
    """Strangers are refused for dozens of reasons, and were shown in place of the app's own."""
    code, client_id = dance.code(signed_in, example_client), example_client.client.id
    dance.redeem(caller, example_client, code, code_verifier="b" * 43)
    for _ in range(3):
        clock.move(minutes=1)
        for endpoint in ("/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/device_authorization"):
            doubled(caller, client_id, endpoint)
    dance.authorize(signed_in, example_client, redirect_uri=CALLBACK + "/")

    shown = refusals.list_for(example_client.client, 20)

    assert shown[0].reason == "redirect URI differs in the trailing slash"
    assert "The code_verifier does not belong to the code_challenge of this code." in {one.reason for one in shown}
    assert len(shown) <= refusals.KINDS_SHOWN


@pytest.mark.standard("P-02")
def test_what_strangers_send_in_an_apps_name_hides_nothing_of_its_own(signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)
    for wrong in ({"grant_type": "x"}, {}, {"grant_type": "refresh_token"}, {"grant_type": "authorization_code"}):
        for _ in range(10):
            caller.post("/oauth/token", data={"client_id": example_client.client.id, **wrong})
    dance.redeem(caller, example_client, code, code_verifier="b" * 43)
    for _ in range(10):
        caller.post("/oauth/token", data={"client_id": example_client.client.id, "grant_type": "x"})

    shown = refusals.list_for(clients.find(example_client.client.id), 20)

    assert "invalid_grant" in {refusal.error for refusal in shown}


@pytest.mark.standard("P-02")
def test_however_often_one_mistake_is_made_the_owner_reads_the_others(db, example_client, clock):
    refusals.record(example_client.client.id, "token", "invalid_grant", "Code challenge failed.")
    for _ in range(8):
        clock.move(minutes=1)
        for _ in range(5):
            refusals.record(example_client.client.id, "token", "invalid_client", "client secret is wrong")
    db.commit()

    shown = refusals.list_for(clients.find(example_client.client.id), 20)

    assert [refusal.error for refusal in shown] == [*5 * ["invalid_client"], "invalid_grant"]


def test_old_ones_go(caller, example_client, clock):
    dance.post(caller, "/oauth/token", example_client)
    clock.move(days=31)

    assert refusals.list_for(clients.find(example_client.client.id)) == []
    refusals.purge()
    db.commit()
    assert db.query(Refusal).count() == 0


def test_an_unknown_client_is_nobodys(caller, example_client):
    caller.post("/oauth/token", data={"client_id": "app_00000000000000000000000000ff"})

    assert db.query(Refusal).count() == 0

"""A script renews itself: /v1/tokens/<id>/regenerate, and what tokens say about their former string and addresses."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from latchkey import tokens
from latchkey.store.session import db
from latchkey.tokens import Renewal, Token
from tests import factories
from tests.api.calls import Caller, app_caller, caller, problem

NEW = {"description": "Child", "scopes": ["account:read"]}
DAY = timedelta(days=1)


@pytest.fixture
def script(app, alice):
    """A token of 30 days that may renew itself."""
    return caller(app.test_client(), alice, "tokens:read", "tokens:write", "account:read", lifetime=30 * DAY)


def renew(who, token_id=None, json=None, **headers):
    return who.post(f"/v1/tokens/{token_id or who.token_id}/regenerate", json, **headers)


@pytest.mark.standard("I-09")
def test_a_script_renews_itself_and_its_owner_hears_of_it(script, alice, clock, mailbox):
    clock.move(days=20)

    answer = renew(script)

    assert answer.status_code == 200
    made = answer.get_json()
    assert (made["id"], made["replaces"]) == (script.token_id, None)
    assert made["expires_at"] == (clock.now() + 30 * DAY).isoformat().replace("+00:00", "Z")
    assert Caller(script.client, made["token"]).get("/v1/me").status_code == 200
    problem(script.get("/v1/me"), 401, "revoked-token")
    (letter,) = mailbox.letters("alice@example.com")
    assert "stopped" in letter.text
    assert made["token"] not in letter.text


def test_without_a_body_and_with_an_empty_one_it_is_the_same(script):
    again = Caller(script.client, renew(script).get_json()["token"], script.token_id)

    assert renew(again, json={}).status_code == 200


def test_the_old_string_goes_on_as_a_token_of_its_own(script, clock):
    made = renew(script, json={"keep_old_seconds": 3600}).get_json()
    new = Caller(script.client, made["token"], made["id"])

    old = script.get("/v1/token").get_json()
    assert old["id"] == made["replaces"] != made["id"]
    assert old["expires_at"] == (clock.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert new.get("/v1/token").get_json()["replaces"] == old["id"]
    assert new.get(f"/v1/tokens/{old['id']}").get_json()["status"] == "active"
    assert {each["id"] for each in new.get("/v1/tokens").get_json()["data"]} == {made["id"], old["id"]}
    assert new.delete(f"/v1/tokens/{old['id']}").status_code == 204
    assert new.get("/v1/token").get_json()["replaces"] is None
    assert new.get(f"/v1/tokens/{made['id']}").get_json()["replaces"] is None
    problem(script.get("/v1/me"), 401, "revoked-token")
    assert new.get("/v1/me").status_code == 200


@pytest.mark.standard("I-09")
def test_the_old_string_can_do_nothing_to_last_longer(script):
    made = renew(script, json={"keep_old_seconds": 3600}).get_json()

    for token_id in (made["replaces"], made["id"]):
        problem(renew(script, token_id), 403, "not-its-own")
    later = {"expires_at": "2100-01-01T00:00:00Z"}
    problem(script.patch(f"/v1/tokens/{made['replaces']}", later), 409, "token-ended")
    # What it makes ends with it.
    child = script.post("/v1/tokens", NEW).get_json()
    assert child["parent_id"] == made["replaces"]
    assert child["expires_at"] <= script.get("/v1/token").get_json()["expires_at"]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "body, field",
    [
        ({"expires_in_days": 31}, "expires_in_days"),
        ({"expires_in_days": None}, "expires_in_days"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": "7"}, "expires_in_days"),
        ({"keep_old_seconds": 604_801}, "keep_old_seconds"),
        ({"keep_old_seconds": -1}, "keep_old_seconds"),
        ({"keep_old_seconds": True}, "keep_old_seconds"),
        ({"keep_old_seconds": 1e999}, "keep_old_seconds"),
        ({"scopes": ["account:read"]}, "scopes"),
    ],
)
def test_more_than_its_owner_allowed_is_refused_and_changes_nothing(script, body, field):
    refused = renew(script, json=body)

    if refused.status_code != 400:
        assert field in problem(refused, 422)["errors"]
    assert script.get("/v1/me").status_code == 200


def test_a_shorter_time_takes_nothing_from_what_was_allowed(script, clock):
    made = renew(script, json={"expires_in_days": 7}).get_json()
    assert made["expires_at"] == (clock.now() + 7 * DAY).isoformat().replace("+00:00", "Z")
    new = Caller(script.client, made["token"], made["id"])

    again = renew(new, json={"expires_in_days": 30}).get_json()

    assert again["expires_at"] == (clock.now() + 30 * DAY).isoformat().replace("+00:00", "Z")


def test_a_token_renews_what_it_made_and_no_other(app, alice, bob, script, mailbox):
    child = script.post("/v1/tokens", NEW | {"expires_in_days": 10}).get_json()
    others = caller(app.test_client(), alice, "tokens:write", description="Other")
    bobs = caller(app.test_client(), bob, "tokens:write")

    made = renew(script, child["id"]).get_json()

    assert made["id"] == child["id"]
    assert Caller(script.client, made["token"]).get("/v1/me").status_code == 200
    problem(Caller(script.client, child["token"]).get("/v1/me"), 401, "revoked-token")
    problem(renew(script, others.token_id), 403, "not-its-own")
    problem(renew(others, child["id"]), 403, "not-its-own")
    for stranger in (bobs.token_id, "tok_" + "0" * 28, "x"):
        problem(renew(script, stranger), 404)
    assert "Token regenerated" in mailbox.letters("alice@example.com")[-1].subject


def test_what_a_token_made_is_renewed_within_its_own_life(script, clock):
    child = script.post("/v1/tokens", NEW | {"expires_in_days": 29}).get_json()
    clock.move(days=10)

    assert "expires_in_days" in problem(renew(script, child["id"], {"expires_in_days": 25}), 422)["errors"]
    # As long as before would be later than its maker's end.
    assert renew(script, child["id"]).get_json()["expires_at"] == script.get("/v1/token").get_json()["expires_at"]


def test_an_app_renews_what_it_made(app, alice, bob):
    names = ("tokens:write", "account:read")
    registered = factories.make_client(bob, scopes=names, trusted=True)
    acting = app_caller(app.test_client(), registered, alice, *names)
    child = acting.post("/v1/tokens", NEW).get_json()

    made = renew(acting, child["id"])

    assert made.status_code == 200
    problem(Caller(acting.client, child["token"]).get("/v1/me"), 401, "revoked-token")


def test_an_ended_token_is_not_renewed_here(script, clock):
    child = script.post("/v1/tokens", NEW | {"expires_in_days": 1}).get_json()
    clock.move(days=2)

    problem(renew(script, child["id"]), 409, "token-ended")


def test_a_token_without_the_scope_renews_nothing(app, alice):
    reader = caller(app.test_client(), alice, "account:read")

    problem(renew(reader), 403, "insufficient-scope")


def test_sent_again_under_its_key_it_is_no_second_string(script):
    made = renew(script, json={"keep_old_seconds": 60}, Idempotency_Key="one").get_json()

    said = problem(renew(script, json={"keep_old_seconds": 60}, Idempotency_Key="one"), 409, "made-before")

    assert said["made"] == made["id"]
    assert Caller(script.client, made["token"]).get("/v1/me").status_code == 200


@pytest.mark.parametrize("keep", [0, 3600])
def test_of_sixteen_at_once_one_renews_the_token(app, alice, script, keep):
    together = Barrier(16)

    def again(_):
        who = Caller(app.test_client(), script.plaintext, script.token_id)
        together.wait()
        return renew(who, json={"keep_old_seconds": keep})

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(again, range(16)))

    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    # The others came too late with a string that is dead, or only the former one now.
    assert {answer.status_code for answer in answers} == {200, 403 if keep else 401}
    assert Caller(app.test_client(), won[0].get_json()["token"]).get("/v1/me").status_code == 200


def test_the_end_is_only_ever_moved_forward(script, clock):
    token = script.get("/v1/token").get_json()
    here = f"/v1/tokens/{script.token_id}"

    for wrong in ("2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "tomorrow", "2027-02-30T00:00:00Z", None, 7):
        assert "expires_at" in problem(script.patch(here, {"expires_at": wrong}), 422)["errors"]
    assert "expires_in_days" in problem(script.patch(here, {"expires_in_days": 7}), 422)["errors"]
    earlier = (clock.now() + DAY).isoformat()
    assert script.patch(here, {"expires_at": earlier}).get_json()["expires_at"] < token["expires_at"]
    assert "expires_at" in problem(script.patch(here, {"expires_at": token["expires_at"]}), 422)["errors"]


@pytest.mark.standard("I-12")
def test_addresses_are_given_shown_and_only_ever_taken_away(app, alice, script):
    made = script.post("/v1/tokens", NEW | {"allowed_addresses": ["127.0.0.0/8", "::ffff:203.0.113.0/120"]}).get_json()
    here = f"/v1/tokens/{made['id']}"
    child = Caller(script.client, made["token"])

    assert made["allowed_addresses"] == ["127.0.0.0/8", "203.0.113.0/24"]
    assert child.get("/v1/token").get_json()["allowed_addresses"] == made["allowed_addresses"]
    for wider in ([], ["0.0.0.0/0"], ["127.0.0.0/8", "198.51.100.0/24"]):
        assert "allowed_addresses" in problem(script.patch(here, {"allowed_addresses": wider}), 422)["errors"]
    narrower = script.patch(here, {"allowed_addresses": ["203.0.113.9"]}).get_json()
    assert narrower["allowed_addresses"] == ["203.0.113.9/32"]
    problem(child.get("/v1/me"), 401, "unknown-token")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("wrong", ["127.0.0.1", ["x"], [1], ["127.0.0.1/8"], [["127.0.0.1"]], ["127.0.0.1"] * 51, None])
def test_what_is_no_list_of_ranges_is_refused(script, wrong):
    assert "allowed_addresses" in problem(script.post("/v1/tokens", NEW | {"allowed_addresses": wrong}), 422)["errors"]


@pytest.mark.standard("I-12")
def test_a_bound_token_makes_none_that_reaches_further(app, alice):
    bound = caller(app.test_client(), alice, "tokens:write", "account:read", addresses=["127.0.0.0/8"])

    assert bound.post("/v1/tokens", NEW).get_json()["allowed_addresses"] == ["127.0.0.0/8"]
    for wider in ([], ["0.0.0.0/0"], ["::/0"]):
        refused = bound.post("/v1/tokens", NEW | {"allowed_addresses": wider})
        assert "allowed_addresses" in problem(refused, 422)["errors"]


def test_a_list_shows_which_tokens_have_a_former_string_in_one_query(script, alice):
    made = factories.make_token(alice, description="Kept").token
    tokens.regenerate(made, Renewal(keep=DAY))
    db.commit()
    former = db.get(Token, made.id).replaces.id

    found = {each["id"]: each["replaces"] for each in script.get("/v1/tokens").get_json()["data"]}

    assert found == {script.token_id: None, made.id: former, former: None}

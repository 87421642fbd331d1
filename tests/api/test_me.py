"""The user's record over the API."""

import pytest

from api.kit import answers
from latchkey import clock
from latchkey.accounts import users
from latchkey.journal import activity
from tests.api.calls import problem


def test_the_record_is_read_and_changed(hers, alice):
    before = hers.get("/v1/me").get_json()
    assert before["id"] == alice.id
    assert before["email"] == "alice@example.com"
    assert before["email_verified"] is True

    changed = hers.patch("/v1/me", {"name": "  Alicia Keys "}).get_json()

    assert changed["name"] == "Alicia Keys"
    assert changed["updated_at"] > before["updated_at"]
    assert hers.get("/v1/me").get_json() == changed
    assert [event.kind for event in activity.list_for(alice)] == ["account.renamed"]


@pytest.mark.parametrize("name", ['Ada "the\\first" Lindqvist', "Zoë 林 👩‍🚀", "</script>", "a/b", "50 % {name}"])
@pytest.mark.parametrize("verified", [True, False])
def test_whatever_stands_in_the_record_is_told_as_json(db, hers, alice, name, verified):
    hers.patch("/v1/me", {"name": name})
    user = users.find(alice.id)
    user.email = 'o\'brien+"x"@example.com'
    user.email_verified_at = user.created_at if verified else None
    db.commit()

    record = {
        "id": user.id,
        "email": user.email,
        "email_verified": verified,
        "name": name,
        "created_at": clock.rfc3339(user.created_at, "auto"),
        "updated_at": clock.rfc3339(user.updated_at, "auto"),
    }
    for told in (hers.get("/v1/me"), hers.patch("/v1/me", {})):
        assert told.data == answers.encode(record)
        assert told.get_json() == record


def test_nothing_sent_changes_nothing(hers, alice):
    before = hers.get("/v1/me").get_json()

    assert hers.patch("/v1/me", {}).get_json() == before
    assert hers.patch("/v1/me", {"name": before["name"]}).get_json() == before
    assert activity.list_for(alice) == []


@pytest.mark.standard("H-06")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("field", ["id", "email", "email_verified", "is_admin", "created_at", "password"])
def test_what_is_not_the_user_s_to_change_is_refused_by_name(hers, field):
    said = problem(hers.patch("/v1/me", {"name": "Eve", field: "x"}), 422, "wrong-fields")

    assert set(said["errors"]) == {field}
    assert hers.get("/v1/me").get_json()["name"] == "Alice"


def test_a_read_is_answered_briefly_to_who_has_it(hers):
    first = hers.get("/v1/me")
    tag = first.headers["ETag"]

    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = hers.get("/v1/me", If_None_Match=given)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "no-store"

    hers.patch("/v1/me", {"name": "Alicia"})
    assert hers.get("/v1/me", If_None_Match=tag).status_code == 200


def test_browser_apps_on_other_origins_may_call_without_cookies(hers, nobody):
    asked = nobody.call("OPTIONS", "/v1/me", Origin="https://app.example", Access_Control_Request_Method="PATCH")

    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "PATCH"} <= set(asked.headers["Access-Control-Allow-Methods"].split(", "))
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    for response in (hers.get("/v1/nothing"), hers.post("/v1/me"), hers.patch("/v1/me", {"name": "x" * 1_000_000})):
        assert response.status_code in {404, 405, 413}
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    for response in (hers.get("/v1/me"), nobody.get("/v1/me"), nobody.get("/v1/scopes")):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.standard("J-04")
def test_a_name_that_could_pass_for_the_operators_is_a_wrong_field(hers, alice):
    refused = problem(hers.patch("/v1/me", {"name": "L\u0430tchkey Support"}), 422, "wrong-fields")

    assert "pass for us" in refused["errors"]["name"]
    assert hers.get("/v1/me").get_json()["name"] == alice.name

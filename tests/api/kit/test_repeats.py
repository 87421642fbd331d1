"""A request that makes something may be sent again under its Idempotency-Key."""

from functools import partial

import pytest

from latchkey import clients, tokens
from latchkey.journal import idempotency
from latchkey.store.session import db
from tests.api.calls import Caller, caller, problem
from tests.crowd import at_once

NEW = {"description": "Child", "scopes": ["account:read"]}
PUBLIC = {
    "name": "Notes",
    "redirect_uris": ["https://notes.example/cb"],
    "scopes": ["account:read"],
    "confidential": False,
}


@pytest.mark.standard("O-07")
def test_a_second_token_is_never_made_and_the_first_never_shown_again(hers, alice):
    made = hers.post("/v1/tokens", NEW, Idempotency_Key="one").get_json()

    again = hers.post("/v1/tokens", NEW, Idempotency_Key="one")

    said = problem(again, 409, "made-before")
    assert said["made"] == made["id"]
    assert "new Idempotency-Key" in said["detail"]
    assert made["token"] not in again.get_data(as_text=True)
    assert len(tokens.page(alice).tokens) == 2


def test_an_answer_without_a_credential_is_told_again(hers, alice):
    first = hers.post("/v1/apps", PUBLIC, Idempotency_Key="one")
    again = hers.post("/v1/apps", PUBLIC, Idempotency_Key="one")

    assert (again.status_code, again.get_json()) == (201, first.get_json())
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(clients.list_for(alice)) == 1


def test_a_secret_is_rotated_once(hers):
    made = hers.post("/v1/apps", PUBLIC | {"confidential": True}).get_json()
    path = f"/v1/apps/{made['id']}/secret"

    rotated = hers.post(path, Idempotency_Key="one").get_json()
    said = problem(hers.post(path, Idempotency_Key="one"), 409, "made-before")

    assert said["made"] == rotated["secrets"][0]["id"]
    assert hers.get(f"/v1/apps/{made['id']}").get_json()["secrets"] == rotated["secrets"]


def test_another_request_under_the_same_key_is_refused(hers, alice):
    hers.post("/v1/tokens", NEW, Idempotency_Key="one")

    problem(
        hers.post("/v1/tokens", NEW | {"description": "Other"}, Idempotency_Key="one"), 422, "idempotency-key-reused"
    )
    problem(hers.post("/v1/apps", PUBLIC, Idempotency_Key="one"), 422, "idempotency-key-reused")

    assert len(tokens.page(alice).tokens) == 2


def test_a_refused_request_does_not_use_up_its_key(hers):
    problem(hers.post("/v1/tokens", NEW | {"expires_in_days": 3000}, Idempotency_Key="one"), 422)

    assert hers.post("/v1/tokens", NEW, Idempotency_Key="one").status_code == 201


def test_keys_are_each_caller_s_own_and_last_a_day(app, alice, hers, his, clock):
    assert hers.post("/v1/tokens", NEW, Idempotency_Key="one").status_code == 201
    assert his.post("/v1/tokens", NEW, Idempotency_Key="one").status_code == 201
    other = caller(app.test_client(), alice, description="Other")
    assert other.post("/v1/tokens", NEW, Idempotency_Key="one").status_code == 201

    clock.move(hours=23)
    problem(hers.post("/v1/tokens", NEW, Idempotency_Key="one"), 409)
    clock.move(hours=2)
    assert hers.post("/v1/tokens", NEW, Idempotency_Key="one").status_code == 201
    # Nobody's call removes what others left behind: housekeeping does.
    idempotency.purge()
    db.commit()
    assert db.query(idempotency.Request).count() == 1


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 256, "ключ"])
def test_a_key_that_cannot_be_kept_is_refused(hers, key):
    problem(hers.post("/v1/tokens", NEW, Idempotency_Key=key.encode().decode("latin-1")), 400, "bad-idempotency-key")


def test_of_many_at_once_one_makes_the_token(app, hers, alice):
    programs = [Caller(app.test_client(), hers.plaintext) for _ in range(8)]

    answers = at_once(*(partial(program.post, "/v1/tokens", NEW, Idempotency_Key="one") for program in programs))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(tokens.page(alice).tokens) == 2

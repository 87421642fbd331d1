"""What a token was used for, over the API: counted wherever it was asked about."""

from latchkey import tokens
from latchkey.journal.calls import counting
from latchkey.journal.calls.counts import CallCount
from latchkey.store.session import db
from tests import factories
from tests.api.calls import Caller, caller, problem


def usage(by: Caller, token_id: str):
    counting.flush()
    return by.get(f"/v1/tokens/{token_id}/usage")


def test_calls_are_told_by_day_status_and_scope_with_the_last_refusals(app, hers, alice):
    used = factories.make_token(alice, description="Used", scopes=["account:read"])
    counting.flush()
    program = Caller(app.test_client(), used.plaintext)
    for _ in range(3):
        program.get("/v1/me")
    problem(program.get("/v1/tokens"), 403)
    app.test_client().get("/oauth/check", headers={"Authorization": f"Bearer {used.plaintext}"})

    told = usage(hers, used.token.id).get_json()

    assert len(told["days"]) == 30
    assert told["days"][0]["calls"] == 0
    assert told["days"][-1] | {"date": ""} == {
        "date": "",
        "calls": 5,
        "by_status": {"200": 4, "403": 1},
        "by_scope": {"account:read": 3},
    }
    assert [(one["scope"], one["calls"]) for one in told["scopes"]] == [("account:read", 3)]
    (refusal,) = told["refusals"]
    assert (refusal["reason"], refusal["call"], refusal["times"]) == (
        "It lacks the scope tokens:read",
        "GET /v1/tokens",
        1,
    )
    assert told["places"][0]["address"] == "127.0.0.1"


def test_ids_in_paths_are_left_out(hers, alice):
    counting.flush()
    for number in range(3):
        hers.get(f"/v1/tokens/{factories.make_token(alice, description=str(number)).token.id}")
    counting.flush()

    calls = {row.call for row in db.query(CallCount)}
    assert calls == {"GET /v1/tokens/…"}


def test_an_ended_token_still_has_its_counts_and_a_strangers_has_none(hers, his, alice):
    ended = factories.make_token(alice, description="Ended", scopes=["account:read"])
    tokens.revoke(ended.token)
    db.commit()

    assert usage(hers, ended.token.id).status_code == 200
    problem(usage(his, ended.token.id), 404)
    problem(usage(hers, "tok_x"), 404)


def test_the_scope_is_asked_for(app, alice):
    problem(usage(caller(app.test_client(), alice, "account:read"), "tok_x"), 403)

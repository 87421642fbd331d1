"""Limits by token, once the operator sets one."""

import re

import pytest
from sqlalchemy import select

from latchkey import settings, tokens
from latchkey.journal.calls import counting
from latchkey.journal.calls.counts import CallCount
from latchkey.store.session import db
from tests.api.calls import Caller, app_caller, caller, problem
from tests.oauth import dance

TEN = pytest.mark.settings(api_rate_limit="10/minute", rate_limit_url="memory://")


def test_without_a_limit_nothing_is_said_of_one(hers):
    response = hers.get("/v1/me")

    assert "RateLimit" not in response.headers
    assert "RateLimit-Policy" not in response.headers


@pytest.mark.standard("O-03")
@TEN
def test_a_call_too_many_is_told_when_the_next_is_heard(hers, his):
    for left in range(9, -1, -1):
        response = hers.get("/v1/me")
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == '"token";q=10;w=60'
        assert re.fullmatch(rf'"token";r={left};t=\d+', response.headers["RateLimit"])

    refused = hers.get("/v1/me")

    said = problem(refused, 429)
    assert said["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert said["violated-policies"] == ["token"]
    reset = int(refused.headers["RateLimit"].rpartition("=")[2])
    assert 1 <= reset <= int(refused.headers["Retry-After"]) <= 60
    assert his.get("/v1/me").status_code == 200


@pytest.mark.standard("O-04")
@TEN
def test_refusals_count_and_show_what_is_left(app, alice):
    narrow = caller(app.test_client(), alice, "account:read")

    for response in (narrow.get("/v1/tokens"), narrow.get("/v1/me"), narrow.patch("/v1/me", {})):
        assert "RateLimit" in response.headers

    assert narrow.get("/v1/me").headers["RateLimit"].startswith('"token";r=6;')


@pytest.mark.standard("O-03")
@TEN
def test_replacing_a_token_or_minting_from_it_starts_no_new_count(app, hers, alice):
    child = hers.post("/v1/tokens", {"description": "child", "scopes": ["account:read", "tokens:write"]}).get_json()
    child = Caller(app.test_client(), child["token"])
    grand = child.post("/v1/tokens", {"description": "grandchild", "scopes": ["account:read"]}).get_json()
    grand = Caller(app.test_client(), grand["token"])
    for _ in range(8):
        assert grand.get("/v1/me").status_code == 200
    for each in (grand, child, hers):
        problem(each.get("/v1/me"), 429)

    new = tokens.regenerate(tokens.get_for(alice, hers.token_id))
    db.commit()

    problem(Caller(app.test_client(), new).get("/v1/me"), 429)


@TEN
def test_two_access_tokens_of_one_sign_in_share_a_count(app, alice, example_client):
    first = app_caller(app.test_client(), example_client, alice, "account:read")
    for _ in range(10):
        first.get("/v1/me")

    problem(first.get("/v1/me"), 429)


@pytest.mark.standard("O-03")
@TEN
def test_an_app_as_itself_has_one_count_for_all_its_tokens(app, example_client):
    first, second = (Caller(app.test_client(), as_itself(app, example_client)) for _ in range(2))
    for _ in range(10):
        assert first.get("/v1/token").status_code == 200

    problem(second.get("/v1/token"), 429)
    problem(Caller(app.test_client(), as_itself(app, example_client)).get("/v1/token"), 429)


def as_itself(app, registered) -> str:
    """An access token by client credentials."""
    form = {"grant_type": "client_credentials"}
    return dance.post(app.test_client(), "/oauth/token", registered, **form).json["access_token"]


@TEN
def test_calls_without_a_token_are_not_counted_to_anybody(nobody):
    for _ in range(12):
        assert nobody.get("/v1/scopes").status_code == 200
        assert nobody.get("/v1/me").status_code == 401


@TEN
def test_a_call_too_many_is_counted_as_refused(hers):
    counting.flush()
    for _ in range(12):
        hers.get("/v1/me")
    counting.flush()

    rows = db.scalars(select(CallCount).order_by(CallCount.status)).all()
    assert [(row.status, row.call, row.calls) for row in rows] == [(200, "GET /v1/me", 10), (429, "GET /v1/me", 2)]


@pytest.mark.settings(api_rate_limit="10/minute", rate_limit_url="redis://127.0.0.1:1/0")
def test_when_nobody_can_count_calls_go_on(hers, caplog):
    response = hers.get("/v1/me")

    assert response.status_code == 200
    assert "RateLimit" not in response.headers
    assert "cannot be counted" in caplog.text


@pytest.mark.parametrize("rate", ["0/minute", "fast", "10", "10/week", "10 per minute"])
def test_a_rate_that_means_nothing_stops_the_start(tmp_path, rate):
    with pytest.raises(settings.SettingError, match="API_RATE_LIMIT"):
        settings.load({"LATCHKEY_API_RATE_LIMIT": rate}, instance=tmp_path)

"""Calls at the gateway check and at introspection are counted as those at the API are: once each, without a write."""

import pytest
from sqlalchemy import select

from latchkey import tokens
from latchkey.journal.calls import counting
from latchkey.journal.calls.counts import CallCount
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance


@pytest.fixture
def minted(alice):
    counting.flush()
    return factories.make_token(alice)


def counted(token_id):
    counting.flush()
    mine = select(CallCount).where(CallCount.source_id == token_id).order_by(CallCount.call, CallCount.status)
    return [(row.call, row.status, row.scope, row.calls) for row in db.scalars(mine)]


def check(caller, plaintext, query=""):
    return caller.get(f"/oauth/check{query}", headers={"Authorization": f"Bearer {plaintext}"}).status_code


def test_the_gateway_check_counts_what_it_asked_for(caller, minted):
    assert check(caller, minted.plaintext, "?scope=account:read") == 200
    assert check(caller, minted.plaintext) == 200
    assert check(caller, minted.plaintext, "?scope=tokens:read") == 403
    tokens.revoke(minted.token)
    db.commit()
    assert check(caller, minted.plaintext) == 401

    assert sorted(counted(minted.token.id)) == [
        ("/oauth/check", 200, "", 1),
        ("/oauth/check", 200, "account:read", 1),
        ("/oauth/check", 401, "", 1),
        ("/oauth/check", 403, "", 1),
    ]


@pytest.mark.parametrize("marked", [True, False])
def test_introspection_counts_each_question_once(caller, minted, example_client, marked):
    example_client.client.resource_server = marked
    db.commit()
    dance.post(caller, "/oauth/introspect", example_client, token=minted.plaintext)
    tokens.revoke(minted.token)
    db.commit()
    dance.post(caller, "/oauth/introspect", example_client, token=minted.plaintext)

    assert counted(minted.token.id) == [("/oauth/introspect", 200, "", 1), ("/oauth/introspect", 401, "", 1)]


def test_an_apps_calls_are_its_own(signed_in, caller, example_client, alice):
    issued = dance.redeem(caller, example_client, dance.code(signed_in, example_client)).json
    check(caller, issued["access_token"])
    dance.refresh(caller, example_client, issued["refresh_token"])
    check(caller, issued["access_token"], "?scope=account:read")

    assert sum(calls for *_, calls in counted(example_client.client.id)) == 4
    people = db.scalars(select(CallCount.user_id).where(CallCount.person_id == alice.id)).all()
    assert set(people) == {alice.id}

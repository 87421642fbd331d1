import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from latchkey import clients, grants
from latchkey.grants import EndReason
from latchkey.store.session import db as session
from latchkey.store.session import engines
from latchkey.worker import ended
from tests.bearers import works
from tests.factories import begin_own, make_access_token, make_client, make_user

READ = frozenset({"account:read"})
BOTH = frozenset({"account:read", "activity:read"})


@pytest.fixture
def example(example_client):
    return example_client.client


def test_what_was_allowed_is_not_asked_again_but_more_is(alice, example):
    assert not grants.allows(alice, example, READ)

    grants.allow(alice, example, READ)

    assert grants.allows(alice, example, READ)
    assert not grants.allows(alice, example, BOTH)


@pytest.mark.standard("K-02")
def test_a_public_client_is_always_asked_for(alice, bob):
    public, _ = make_client(bob, confidential=False)

    grants.allow(alice, public, READ)

    assert not grants.allows(alice, public, READ)


def test_a_trusted_client_is_never_asked_for(alice, bob):
    trusted, _ = make_client(bob, trusted=True)

    assert grants.allows(alice, trusted, READ)


def test_allowing_more_keeps_what_was_allowed_before(alice, example):
    grants.allow(alice, example, READ)
    narrow = grants.allow(alice, example, {"activity:read"})

    [standing] = grants.list_for(alice)
    assert standing.scopes == BOTH
    assert narrow.scopes == {"activity:read"}


def test_withdrawing_ends_every_token_of_that_app_at_once_and_no_other(alice, bob, example):
    other, _ = make_client(bob, name="Other")
    first, second = (make_access_token(grants.allow(alice, example, READ)) for _ in range(2))
    kept, theirs = (
        make_access_token(grants.allow(alice, other, READ)),
        make_access_token(grants.allow(bob, example, READ)),
    )
    standing = grants.find_authorization(alice, example)

    assert grants.withdraw(standing)
    session.commit()

    assert [works(token) for token in (first, second, kept, theirs)] == [False, False, True, True]
    assert [one.client for one in grants.list_for(alice)] == [other]
    assert grants.get_for(alice, standing.id) is None
    assert not grants.withdraw(standing)


def test_allowing_again_begins_anew(alice, example, clock):
    grants.allow(alice, example, BOTH)
    grants.withdraw(grants.find_authorization(alice, example))
    session.commit()
    clock.move(days=3)

    token = make_access_token(grants.allow(alice, example, READ))

    [standing] = grants.list_for(alice)
    assert standing.scopes == READ
    assert standing.created_at == clock.now()
    assert standing.last_used_at is None
    assert works(token)


def test_only_ones_own_authorization_is_found(alice, bob, example):
    grants.allow(alice, example, READ)
    standing = grants.find_authorization(alice, example)

    assert grants.get_for(alice, standing.id) is standing
    assert grants.get_for(bob, standing.id) is None


def test_cutting_off_ends_everybodys_tokens_and_those_of_the_app_itself(alice, bob, example):
    everybody = [make_access_token(grants.allow(user, example, READ)) for user in (alice, bob)]
    own = make_access_token(begin_own(example, READ))

    cut_off = grants.withdraw_all(example)
    session.commit()

    assert {one.user for one in cut_off} == {alice, bob}
    assert not any(works(token) for token in [*everybody, own])
    assert grants.list_for(alice) == []
    assert grants.withdraw_all(example) == []


def test_cutting_off_in_parts_ends_every_token_with_the_first(alice, bob, example):
    everybody = [make_access_token(grants.allow(user, example, READ)) for user in (alice, bob)]

    first = grants.withdraw_all(example, 1)
    session.commit()
    assert not any(works(token) for token in everybody)

    second = grants.withdraw_all(example, 1)
    assert {one.user for one in (*first, *second)} == {alice, bob}
    assert grants.withdraw_all(example, 1) == []


@pytest.mark.standard("J-05")
@pytest.mark.parametrize("end", [clients.suspend, clients.remove])
def test_an_app_that_is_stopped_takes_its_tokens_with_it(alice, example, end):
    token = make_access_token(grants.allow(alice, example, READ))

    end(example)
    session.commit()

    assert not works(token)


def test_people_are_counted_and_new_ones_apart(bob, example, clock):
    early, late, gone = (make_user(f"{name}@example.com") for name in ("early", "late", "gone"))
    grants.allow(early, example, READ)
    clock.move(days=10)
    grants.allow(late, example, READ)
    grants.allow(gone, example, READ)
    grants.withdraw(grants.find_authorization(gone, example))

    assert grants.count_for(example) == 2
    assert grants.count_for(example, clock.now() - timedelta(days=7)) == 1


def test_a_grant_ends_once_and_says_why(alice, example):
    grant = grants.allow(alice, example, READ)
    token = make_access_token(grant)

    assert grants.end(grant.id, EndReason.CODE_REPLAYED)
    assert not grants.end(grant.id, EndReason.WITHDRAWN)
    session.commit()
    session.refresh(grant)

    assert grant.end_reason == EndReason.CODE_REPLAYED
    assert not grant.live
    assert not works(token)
    assert grants.list_for(alice), "the authorization stands: only this sign-in ended"


def test_a_grant_ends_after_half_a_year_however_often_it_was_refreshed(alice, example, clock):
    grant = grants.allow(alice, example, READ)

    clock.move(days=180)
    assert not grant.live

    clock.move(seconds=1)
    ended.purge()
    session.commit()
    assert session.query(grants.Grant).count() == 0


def test_an_app_as_itself_acts_for_nobody(example):
    grant = begin_own(example, READ)

    assert grant.user_id is None
    assert grant.authorization_id is None
    assert grants.count_for(example) == 0


def test_agreeing_in_many_windows_at_once_makes_one_authorization(alice, example):
    barrier = threading.Barrier(8)

    def agree(scope):
        barrier.wait()
        grants.allow(alice, example, {scope})
        session.commit()
        session.remove()

    names = ["account:read", "activity:read", "apps:read", "tokens:read"] * 2
    with ThreadPoolExecutor(8) as windows:
        list(windows.map(agree, names))

    [standing] = grants.list_for(alice)
    assert standing.scopes == set(names)
    assert session.query(grants.Grant).count() == 8


@pytest.mark.parametrize("table, column", [("token", "user_id"), ("grant", "user_id"), ("grant", "authorization_id")])
def test_what_goes_with_its_owner_is_found_along_an_index_that_knows_only_owned_rows(db, table, column):
    explain = "EXPLAIN QUERY PLAN" if engines().embedded else "EXPLAIN"
    with engines().write.begin() as connection:
        if not engines().embedded:
            # Of an empty table PostgreSQL reads all.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(text(f"""{explain} DELETE FROM "{table}" WHERE {column} = :id"""), {"id": "x"}).all()

    assert f"ix_{table}_{column}" in str(plan)

"""Calls with tokens: counted without a write, written together by several processes at once, and bounded."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from latchkey import clients, credentials, grants, origin, tokens
from latchkey import clock as real_clock
from latchkey.credentials import Kind
from latchkey.journal.calls import adding, counting, counts, places, refused_calls
from latchkey.journal.calls.counts import CallCount
from latchkey.journal.calls.entries import ANY, Counted
from latchkey.journal.calls.places import CallPlace
from latchkey.journal.calls.refused_calls import Reason, RefusedCall
from latchkey.journal.refusals import Refusal
from latchkey.safety import shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, engines
from latchkey.store.session import db as session
from latchkey.tokens import access
from tests import factories
from tests.crowd import SECONDS, at_once, until_somebody_waits_for_a_row


@pytest.fixture(autouse=True)
def nothing_counted(settings):
    counting._noted.clear()
    counting._calls.clear()
    counting._refused.clear()
    places.forget()
    counts._shapes.clear()


@pytest.fixture
def clock(clock):
    """At noon, so that what comes seconds or minutes later is of the same day, whenever this runs."""
    clock.moment = clock.moment.replace(hour=12)
    return clock


@pytest.fixture
def minted(alice):
    return factories.make_token(alice, scopes=["account:read", "activity:read"])


def called(minted, *needed, call="GET /v1/me", address="192.0.2.7", agent="curl/8.14"):
    origin.current.set(origin.Origin(address, agent, "abc"))
    return access.admit(minted.plaintext, needed, call)


def rows(db, person=""):
    statement = select(CallCount).where(CallCount.person_id == person).order_by(CallCount.day, CallCount.status)
    return list(db.scalars(statement.execution_options(populate_existing=True)))


def test_calls_that_are_alike_become_one_row_that_grows(db, minted, clock):
    for _ in range(3):
        called(minted, "account:read")
    counting.flush()
    clock.move(seconds=5)
    called(minted, "account:read")
    counting.flush()

    (row,) = rows(db)
    assert (row.source_id, row.status, row.call, row.scope, row.calls) == (
        minted.token.id,
        200,
        "GET /v1/me",
        "account:read",
        4,
    )
    assert row.last_at == clock.now()


def test_a_day_has_rows_of_its_own(db, minted, clock):
    called(minted)
    clock.move(days=1)
    called(minted)
    counting.flush()

    assert [row.day for row in rows(db)] == [clock.now().date() - timedelta(days=1), clock.now().date()]


def test_refused_calls_are_told_by_their_reason(db, minted, clock):
    for _ in range(11):
        with pytest.raises(access.ScopeTooNarrow):
            called(minted, "tokens:read", call="GET /v1/tokens")
    tokens.revoke(minted.token)
    db.commit()
    clock.move(seconds=1)
    with pytest.raises(access.InvalidToken):
        called(minted, call="/oauth/check")
    counting.flush()

    assert [(row.status, row.calls) for row in rows(db)] == [(401, 1), (403, 11)]
    found = refused_calls.latest_of(token_id=minted.token.id)
    assert [(one.reason, one.times, one.call, one.address) for one in found] == [
        ("It was revoked", 1, "/oauth/check", "192.0.2.7"),
        ("It lacks the scope tokens:read", 11, "GET /v1/tokens", "192.0.2.7"),
    ]


def test_an_unknown_string_is_counted_nowhere(minted):
    wrong = minted.plaintext[:-1] + ("a" if minted.plaintext[-1] != "a" else "b")
    with pytest.raises(access.InvalidToken):
        access.admit(wrong)

    assert counting.flush() == 0


def test_an_app_is_counted_in_all_and_by_person_and_without_addresses(db, alice, bob, example_client):
    for user in (alice, bob):
        grant, plaintext = (
            grants.allow(user, example_client.client, ["account:read"]),
            credentials.generate(Kind.ACCESS),
        )
        ends = real_clock.now() + timedelta(hours=1)
        token = factories.record_token(
            plaintext, kind=Kind.ACCESS, grant=grant, scopes=["account:read"], expires_at=ends
        )
        db.commit()
        called(tokens.Minted(token, plaintext), "account:read")
    counting.flush()

    (everybody,) = rows(db)
    assert (everybody.source_id, everybody.calls, everybody.user_id) == (example_client.client.id, 2, None)
    assert [row.calls for row in rows(db, alice.id)] == [1]
    assert db.scalar(select(func.count()).select_from(CallPlace)) == 0


def test_places_are_the_latest_few_whatever_a_caller_calls_itself(db, minted, clock):
    for number in range(100):
        clock.move(seconds=1)
        called(minted, agent=f"agent {number}")
        if number % 10 == 0:
            counting.flush()
    counting.flush()

    found = db.scalars(select(CallPlace).order_by(CallPlace.last_at.desc())).all()
    assert len(found) == places.MOST_PLACES
    assert found[0].agent == "agent 99"


def test_kinds_of_calls_are_bounded_and_those_beyond_use_every_scope(db, minted, monkeypatch):
    monkeypatch.setattr(counts, "MOST_SHAPES", 3)
    for number in range(8):
        called(minted, call=f"GET /v1/{number}")
    counting.flush()

    found = rows(db)
    assert len(found) == 4
    assert sum(row.calls for row in found) == 8
    assert [row.calls for row in found if row.scope == ANY] == [5]


def test_refusals_of_a_token_are_bounded(db, minted, clock):
    tokens.revoke(minted.token)
    db.commit()
    for number in range(120):
        clock.move(seconds=1)
        with pytest.raises(access.InvalidToken):
            called(minted, call="/oauth/check", address=f"192.0.2.{number}")
    counting.flush()

    assert db.scalar(select(func.count()).select_from(Refusal)) == refused_calls.CALLS_KEPT < 120
    assert refused_calls.latest_of(token_id=minted.token.id)[0].address == "192.0.2.119"


def test_memory_is_bounded_and_the_calls_are_counted_all_the_same(db, minted, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 5)
    monkeypatch.setattr(counting, "MANY", 3)
    for number in range(40):
        called(minted, agent=f"agent {number}")
    counting.gather()

    assert len(counting._calls) <= 10
    counting.flush()
    assert sum(row.calls for row in rows(db)) == 40


def test_what_nobody_gathers_is_gathered_by_whoever_calls(db, minted, monkeypatch):
    monkeypatch.setattr(counting, "MOST_NOTED", 5)
    most = 0
    for number in range(20):
        called(minted, agent=f"agent {number % 2}")
        most = max(most, len(counting._noted) // counting.FIELDS)

    assert most == 5
    counting.flush()
    assert [row.calls for row in rows(db)] == [20]


def test_calls_that_come_while_others_are_gathered_are_all_counted(db, minted, monkeypatch):
    monkeypatch.setattr(counting, "MOST_NOTED", 20)
    known = b"", access.find(minted.plaintext)

    def call():
        for _ in range(50):
            access.admit(minted.plaintext, call="GET /v1/me", known=known)

    def gather():
        for _ in range(200):
            counting.gather()

    at_once(*[call] * 6, gather, gather)
    counting.flush()

    assert [row.calls for row in rows(db)] == [300]


def test_a_call_that_is_turned_away_is_not_counted_as_let_pass(db, minted):
    bearer = called(minted, "account:read")
    access.turn_away(bearer, ["account:read"], "GET /v1/me", Reason.TOO_MANY)
    counting.flush()

    assert [(row.status, row.calls) for row in rows(db)] == [(200, 0), (429, 1)]


def test_a_place_that_was_crowded_out_and_comes_again_crowds_out_another(db, minted, clock):
    for number in (*range(places.MOST_PLACES + 1), 0):
        clock.move(seconds=90)
        called(minted, agent=f"agent {number}")
        counting.flush()

    agents = set(db.scalars(select(CallPlace.agent)))
    assert len(agents) == places.MOST_PLACES
    assert "agent 0" in agents


def test_where_many_different_calls_come_it_is_time_to_write_and_that_is_said_once(db, minted, monkeypatch):
    told = []
    monkeypatch.setattr(counting, "MANY", 3)
    monkeypatch.setattr(counting, "watchers", [lambda: told.append(len(counting._calls))])
    for number in range(7):
        called(minted, agent=f"agent {number}")
    counting.gather()
    assert told == [3]

    def away(_calls, _refused):
        raise SQLAlchemyError("away")

    with monkeypatch.context() as patched:
        patched.setattr(counts, "write", away)
        with pytest.raises(SQLAlchemyError):
            counting.flush()
    called(minted, agent="another")
    counting.gather()

    assert told == [3]
    counting.flush()
    assert sum(row.calls for row in rows(db)) == 8


def test_many_are_written_in_parts_and_what_was_left_stays(db, minted, monkeypatch):
    monkeypatch.setattr(counting, "AT_A_TIME", 2)
    for number in range(7):
        called(minted, call=f"GET /v1/{number}")
    real, parts = counts.write, []

    def write(calls, refused):
        parts.append(len(calls))
        if len(parts) == 3:
            raise SQLAlchemyError("away")
        real(calls, refused)

    monkeypatch.setattr(counts, "write", write)
    with pytest.raises(SQLAlchemyError):
        counting.flush()
    assert sum(row.calls for row in rows(db)) == 4

    counting.flush()

    assert parts == [2, 2, 2, 2, 1]
    assert [row.calls for row in rows(db)] == [1] * 7


def test_many_rows_in_a_statement_are_added_to_each(db, minted, monkeypatch):
    monkeypatch.setattr(adding, "TOGETHER", 4)
    for _ in range(2):
        for number in range(11):
            called(minted, call=f"GET /v1/{number}", agent=f"agent {number}")
        counting.flush()

    assert [row.calls for row in rows(db)] == [2] * 11
    assert db.scalar(select(func.count()).select_from(CallPlace)) == 11


def test_what_could_not_be_written_is_written_later(db, minted):
    called(minted)
    db.remove()
    with engines().write.begin() as connection:
        connection.execute(text("ALTER TABLE call_count RENAME TO call_count_away"))
    with pytest.raises(SQLAlchemyError):
        counting.flush()
    called(minted)
    with engines().write.begin() as connection:
        connection.execute(text("ALTER TABLE call_count_away RENAME TO call_count"))

    counting.flush()

    assert [row.calls for row in rows(db)] == [2]


class Between:
    """A lock; when it is first let go of, somebody else is quick."""

    def __init__(self, act):
        self.lock, self.act = threading.Lock(), act

    def __enter__(self):
        return self.lock.__enter__()

    def __exit__(self, *raised):
        self.lock.__exit__(*raised)
        act, self.act = self.act, lambda: None
        act()


def test_a_call_is_not_taken_back_before_it_is_written(db, minted, monkeypatch):
    def one_too_many():
        access.turn_away(called(minted), [], "GET /v1/me", Reason.TOO_MANY)

    monkeypatch.setattr(counting, "_guard", Between(one_too_many))

    for _ in range(2):
        counting.flush()
        assert all(row.calls >= 0 for row in rows(db))

    assert {row.status: row.calls for row in rows(db)} == {200: 0, 429: 1}


def test_several_writers_at_once_lose_nothing(db, minted, alice, example_client):
    day = real_clock.now().toordinal()
    app = Counted(example_client.client.id, None, alice.id, day, 200, "GET /v1/me", frozenset(), "", "")
    own = Counted(None, minted.token.id, alice.id, day, 200, "GET /v1/me", frozenset(), "192.0.2.1", "curl")
    turned = RefusedCall(None, minted.token.id, alice.id, day, Reason.SCOPE, "tokens:read", "GET /v1/tokens", "")

    def write():
        for _ in range(10):
            now = real_clock.now()
            counts.write([(own, 1, now), (app, 2, now)], [(turned, 1, now)])

    at_once(*[write] * 8)

    assert {row.source_id: row.calls for row in rows(db)} == {minted.token.id: 80, example_client.client.id: 160}
    assert [row.calls for row in rows(db, alice.id)] == [160]
    assert [one.times for one in refused_calls.latest_of(token_id=minted.token.id)] == [80]


def test_counts_of_who_is_gone_meanwhile_stop_nobody_elses(db, minted, bob):
    others = factories.make_token(bob)
    called(minted)
    called(others)
    db.delete(minted.token.user)
    db.commit()

    counting.flush()

    assert [row.source_id for row in rows(db)] == [others.token.id]


def test_counts_go_with_the_account(db, minted, alice):
    called(minted)
    counting.flush()

    db.delete(alice)
    db.commit()

    assert rows(db) == []
    assert db.scalar(select(func.count()).select_from(CallPlace)) == 0


def test_counts_are_kept_for_thirty_days_and_purged_in_parts(db, minted, clock, monkeypatch):
    monkeypatch.setattr(counts, "AT_A_TIME", 2)
    for number in range(5):
        called(minted, call=f"GET /v1/{number}")
    counting.flush()
    clock.move(days=29)
    assert not counts.purge()
    assert len(rows(db)) == 5

    clock.move(days=2)
    assert counts.purge()
    while counts.purge():
        db.commit()
    db.commit()

    assert rows(db) == []
    assert db.scalar(select(func.count()).select_from(CallPlace)) == 0


def test_calls_of_an_app_are_counted_beside_its_deletion(app, alice, example_client, monkeypatch):
    """Neither waits for what the other has."""
    client_id = example_client.client.id
    plaintext = factories.make_access_token(grants.allow(alice, example_client.client, {"account:read"}))
    for _ in range(2):
        # What was counted is there already, and there is more to count.
        counting.flush()
        access.admit(plaintext, {"account:read"}, "GET /v1/me")
    removing, faults, met = threading.Event(), [], conflicts.met
    monkeypatch.setattr(conflicts, "met", lambda fault: faults.append(fault) or met(fault))

    def in_the_midst(of, name):
        called = getattr(of, name)

        def then(*given):
            called(*given)
            if not removing.is_set():
                removing.set()
                until_somebody_waits_for_a_row()

        monkeypatch.setattr(of, name, then)

    def delete():
        with app.app_context():
            commit_parts(shutdown.delete(clients.find(client_id)))

    def count():
        with app.app_context():
            assert removing.wait(SECONDS)
            counting.flush()

    session.remove()
    in_the_midst(counts, "forget")
    in_the_midst(clients, "remove")

    at_once(delete, count)

    assert faults == []
    assert session.scalar(select(func.count()).select_from(CallCount).where(CallCount.source_id == client_id)) == 0

"""A table is changed while a server has statements about it prepared, as when another version upgrades beside it."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from latchkey.store import conflicts
from latchkey.store.drivers import transactions
from latchkey.store.engines import Engines

pytestmark = pytest.mark.postgres
SELECT = "SELECT name FROM outgrown"
# The driver prepares by itself what comes often.
OFTEN = 8


@pytest.fixture
def pair(postgres):
    pair = Engines(postgres.create("outgrown"))
    with pair.write.begin() as connection:
        connection.execute(text("CREATE TABLE outgrown AS SELECT CAST('Alice' AS varchar(40)) AS name"))
    yield pair
    pair.dispose()
    postgres.drop("outgrown")


@pytest.fixture
def widen(pair, postgres):
    def widen():
        # Another process does, of which nobody here is told.
        with psycopg.connect(postgres.url("outgrown").replace("+psycopg", "")) as connection:
            connection.execute("ALTER TABLE outgrown ALTER name TYPE varchar(80)")

    return widen


def test_what_reads_the_hot_way_is_asked_again(pair, widen):
    assert pair.fetch(SELECT, {}) == [("Alice",)]
    widen()

    assert pair.fetch(SELECT, {}) == [("Alice",)]


def test_what_is_read_for_several_is_read_for_each_and_then_for_several_again(pair, widen):
    asked = [(SELECT, {})] * 2
    assert pair.fetch_each(asked) == [[("Alice",)]] * 2
    widen()

    with pytest.raises(psycopg.errors.FeatureNotSupported):
        pair.fetch_each(asked)

    assert pair.fetch(SELECT, {}) == [("Alice",)]
    assert pair.fetch_each(asked) == [[("Alice",)]] * 2


def test_what_is_prepared_and_gone_is_prepared_again(pair):
    pair.fetch(SELECT, {})
    pair._readers._idle[0].connection.execute("DEALLOCATE ALL")

    assert pair.fetch(SELECT, {}) == [("Alice",)]


def test_what_a_session_reads_is_done_again_by_whoever_does_so_after_a_conflict(pair, widen):
    def read():
        with pair.read.connect() as connection:
            return connection.scalar(text(SELECT))

    for _ in range(OFTEN):
        read()
    widen()

    with pytest.raises(DBAPIError) as told:
        read()

    assert conflicts.met(told.value)
    assert read() == "Alice"


def test_a_transaction_of_prepared_statements_fails_once_at_most(pair, widen, monkeypatch):
    def hold():
        with transactions.transaction() as connection:
            return connection.cursor().execute(f"{SELECT} FOR UPDATE").fetchall()

    monkeypatch.setattr(transactions, "engines", lambda: pair)
    for _ in range(OFTEN):
        hold()
    widen()

    with pytest.raises(Exception) as told:  # noqa: PT011 - the driver's own
        hold()

    assert conflicts.met(told.value)
    assert hold() == [("Alice",)]

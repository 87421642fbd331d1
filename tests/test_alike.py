"""A case that is shown on one database alone asks it what those do that are shown on both."""

import sqlite3
import threading
from contextlib import closing

import pytest

from tests import alike, pages

READ, WRITE = "SELECT 1 WHERE 2 IN (?, ?)", "INSERT INTO kept VALUES (?), (?)"


def test_a_later_case_that_asks_something_else_fails():
    for number, told in enumerate(({READ}, {WRITE}, {READ, WRITE}, set()), 1):
        alike.compare("a test", number, 2, told)

    with pytest.raises(pytest.fail.Exception, match="SELECT 3"):
        alike.compare("a test", 5, 2, {READ, "SELECT 3"})


def test_where_not_all_first_cases_ran_there_is_nothing_to_compare_with():
    alike.compare("begun by another process", 2, 2, {READ})

    alike.compare("begun by another process", 3, 2, {WRITE})
    alike.compare("chosen by hand", 0, 2, {WRITE})


def test_what_is_asked_is_told_without_how_many_values_it_is_asked_for(monkeypatch):
    told: set[str] = set()
    monkeypatch.setattr(alike.Listener, "told", told)
    monkeypatch.setattr(alike.Listener, "thread", threading.get_ident())

    with closing(sqlite3.connect(":memory:", factory=alike.Connection, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE kept (value)")
        connection.execute("PRAGMA foreign_keys")
        connection.execute(READ, (1, 2))
        connection.execute("SELECT 1\n  WHERE 2 IN (?)", (1,))
        connection.cursor().execute(WRITE, (1, 2))
        connection.cursor().executemany("INSERT INTO kept VALUES (?)", [(3,)])

    assert told == {"SELECT 1 WHERE 2 IN (?)", "INSERT INTO kept VALUES (?)"}


@pytest.mark.either_database("the same in each", after=1)
@pytest.mark.parametrize("path", ["/tokens", "/tokens?page=1"])
def test_what_pages_and_calls_ask_is_heard(client, alice, path):
    pages.sign_in(client, alice)
    client.get(path)

    heard = alike.Listener.told
    assert bool(heard) is alike.LISTENS

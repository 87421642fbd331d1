"""What is given to PostgreSQL's own library means the same as in its driver's cursor."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from latchkey.store.drivers import direct

pytestmark = pytest.mark.postgres
ZONES = "SET TIME ZONE 'UTC'; CREATE TEMPORARY TABLE thing (name varchar, digest bytea, at timestamptz, number int)"
INSERT = """
    INSERT INTO thing VALUES
    (%(name)s::VARCHAR, %(digest)s, %(at)s::TIMESTAMP WITH TIME ZONE, %(number)s::INTEGER)
"""
SELECT = """
    SELECT name, digest, at, number, name LIKE 'a%%' FROM thing
    WHERE name = %(name)s::VARCHAR OR %(name)s::VARCHAR = ''
"""
ROW = {"name": "äß🔑", "digest": b"\x00\xff'\\", "at": datetime(2026, 11, 29, 3, 4, 5, 678, UTC), "number": 7}
EMPTY = dict.fromkeys(ROW)


@pytest.fixture
def connection(postgres):
    with psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(ZONES)
        yield connection


@pytest.fixture
def opened(postgres):
    """A connection that may be left in whatever state."""
    with closing(psycopg.connect(postgres.url("postgres").replace("+psycopg", ""), autocommit=True)) as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    return direct.cursor(connection)


def test_rows_come_back_as_the_drivers_cursor_gives_them(connection, cursor):
    for row in (ROW, EMPTY, ROW | {"name": "a" * 10_000, "at": ROW["at"].astimezone()}):
        assert cursor.execute(INSERT, row).rowcount == 1

    for name in ("", "äß🔑", "nobody"):
        found = cursor.execute(SELECT, {"name": name}).fetchall()
        assert found == connection.execute(SELECT, {"name": name}).fetchall()

    everything = cursor.execute(SELECT, {"name": ""}).fetchall()
    assert everything[0] == (*ROW.values(), False)
    assert everything[0][2].utcoffset() == timedelta(0)
    assert everything[1] == (*EMPTY.values(), None)
    assert len(everything[2][0]) == 10_000


def test_a_nul_ends_no_text_early(cursor):
    """The library takes texts for ended by it: an id with something behind would be that id."""
    cursor.execute(INSERT, ROW)

    with pytest.raises(psycopg.DataError):
        cursor.execute(SELECT, {"name": ROW["name"] + "\0and more"})


def test_what_is_no_text_of_unicode_is_refused(cursor):
    with pytest.raises(UnicodeEncodeError):
        cursor.execute(SELECT, {"name": "\udcff"})


def test_text_is_not_taken_for_bytes(cursor):
    with pytest.raises(TypeError):
        cursor.execute(INSERT, ROW | {"digest": "text"})


def test_a_rule_that_is_broken_is_told_by_its_kind(connection, cursor):
    connection.execute("CREATE UNIQUE INDEX ON thing (name)")
    cursor.execute(INSERT, ROW)

    with pytest.raises(psycopg.errors.UniqueViolation) as told:
        cursor.execute(INSERT, ROW)

    assert told.value.sqlstate == "23505"
    assert cursor.execute(INSERT, EMPTY).rowcount == 1


def test_a_connection_that_was_ended_cannot_be_told_from_a_server_that_is_away(connection, cursor, postgres):
    cursor.execute(SELECT, {"name": ""})
    postgres.run(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 20000)")

    with pytest.raises(psycopg.OperationalError):
        cursor.execute(SELECT, {"name": ""})

    assert connection.closed


def test_behind_a_pooler_or_in_another_encoding_it_is_the_drivers_own(connection):
    connection.prepare_threshold = None
    assert isinstance(direct.cursor(connection), psycopg.Cursor)

    connection.prepare_threshold = 5
    connection.execute("SET client_encoding TO LATIN1")
    assert isinstance(direct.cursor(connection), psycopg.Cursor)


def test_several_that_read_are_answered_each_with_its_own_rows(connection, cursor):
    for number in range(40):
        connection.execute(INSERT, ROW | {"name": f"a{number}", "number": number})
    asked = [(SELECT, {"name": f"a{number % 50}"}) for number in range(60)] + [("SELECT 1", {})]

    for _ in range(3):
        found = cursor.read_each(asked)

        assert found == [cursor.execute(*each).fetchall() for each in asked]
    assert [len(rows) for rows in found] == [1] * 40 + [0] * 10 + [1] * 11
    assert cursor.read_each([]) == []


def test_several_that_are_longer_than_what_a_socket_holds_stand_in_nobodys_way(connection, cursor):
    long = "a" * 1_000_000
    connection.execute(INSERT, ROW | {"name": long})

    found = cursor.read_each([(SELECT, {"name": long})] * 20)

    assert [rows[0][0] == long for rows in found] == [True] * 20


def test_of_several_the_first_that_fails_is_told(opened):
    good, bad = ("SELECT 1", {}), ("SELECT 1 / %(number)s::INTEGER", {"number": 0})

    with pytest.raises(psycopg.errors.DivisionByZero):
        direct.cursor(opened).read_each([good, bad, good])


def test_several_are_not_answered_by_a_connection_that_was_ended(opened, postgres):
    ended = direct.cursor(opened)
    assert ended.read_each([("SELECT 1", {})]) == [[(1,)]]
    postgres.run(f"SELECT pg_terminate_backend({opened.info.backend_pid}, 20000)")

    with pytest.raises(psycopg.OperationalError):
        ended.read_each([("SELECT 1", {})] * 2)

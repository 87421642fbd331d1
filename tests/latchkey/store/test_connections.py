"""Connections to PostgreSQL that are kept: nobody is given one that the server has ended, and nobody asks it before."""

import psycopg
import pytest
from sqlalchemy import event, text

from latchkey.store import postgres
from latchkey.store.drivers.transactions import transaction
from latchkey.store.session import engines

pytestmark = pytest.mark.postgres
OTHERS = "pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
END = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OTHERS}"


def write():
    with transaction() as connection:
        connection.execute("UPDATE \"user\" SET name = 'Somebody else'")


def read():
    with engines().read.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.fixture
def opened(db):
    """The connections that are opened from now on; of either engine one is there and was used."""
    told = []
    if not engines().embedded:
        read()
        write()
        for engine in (engines().read, engines().write):
            event.listen(engine, "connect", lambda connection, _record: told.append(connection))
    return told


@pytest.mark.parametrize("use, by", [(read, "write"), (write, "read")])
def test_a_connection_that_the_server_ended_is_replaced(opened, use, by):
    if engines().embedded:
        return
    with getattr(engines(), by).connect() as connection:
        connection.execute(text(END))

    use()

    assert len(opened) == 1


def test_a_connection_that_broke_while_it_was_lent_is_replaced(opened):
    if engines().embedded:
        return
    with engines().read.connect() as connection:
        psycopg.Connection.close(connection.connection.driver_connection)

    read()

    assert len(opened) == 1


def test_nobody_asks_the_server_whether_a_connection_works_that_was_used_lately(opened, monkeypatch):
    if engines().embedded:
        return
    asked = []
    monkeypatch.setattr(engines().read.dialect, "do_ping", lambda _connection: asked.append("ping") or True)

    read()
    assert asked == []

    monkeypatch.setattr(postgres, "QUIET_SECONDS", -1)
    read()
    assert asked == ["ping"]


def test_a_connection_that_was_forgotten_on_the_way_is_replaced(opened, monkeypatch):
    if engines().embedded:
        return
    dialect = engines().read.dialect

    def unanswered(_connection):
        raise dialect.loaded_dbapi.OperationalError

    monkeypatch.setattr(dialect, "do_ping", unanswered)
    monkeypatch.setattr(postgres, "QUIET_SECONDS", -1)

    read()

    assert len(opened) == 1

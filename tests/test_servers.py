"""The stage itself: a database is emptied for the next test while a server goes on writing to it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from latchkey.store.session import configure, engines
from tests import servers


def test_a_port_is_given_to_one_alone_whichever_process_asks():
    here, asking = servers.free_port(), "from tests import ports; ports._turn = iter(range({0}, {0} + 500)); "
    command = [sys.executable, "-c", asking.format(here) + "print(ports.free_port())"]

    there = int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=servers.ROOT).stdout)

    assert there > here
    assert servers.free_port() != here


@pytest.mark.slow("starts a cluster")
@pytest.mark.postgres
def test_a_database_is_emptied_under_the_hands_of_its_writers(postgres):
    """Whoever writes in another order than rows are removed in does not fail by it, and removing them does not."""
    url = postgres.create("written_to")
    with ThreadPoolExecutor() as pool, psycopg.connect(url.replace("+psycopg", "")) as writer:
        writer.execute("CREATE TABLE first (a int); CREATE TABLE last (a int); CREATE SEQUENCE ending_seq")
        for _ in range(3):
            writer.execute("INSERT INTO first VALUES (1); INSERT INTO last VALUES (1)")
            writer.commit()
            writer.execute("SELECT nextval('ending_seq')")
            writer.execute("UPDATE last SET a = 2")
            emptying = pool.submit(servers.empty, url, ["first", "last"], served=True)
            time.sleep(0.05)  # so that it surely has begun
            writer.execute("UPDATE first SET a = 2")
            writer.commit()
            emptying.result()
            assert writer.execute("SELECT a FROM first UNION SELECT a FROM last").fetchall() == []
            writer.commit()
    postgres.drop("written_to")


@pytest.mark.postgres
def test_a_connection_that_was_closed_is_closed_and_goes_on_as_another(settings):
    """Each test opens some, and each new one would cost a process of the server: a tenth of what all tests take."""
    if engines().embedded:
        return
    asked = text("SELECT pg_backend_pid(), current_setting('work_mem')")
    with engines().write.connect() as connection:
        connection.execute(text("SET work_mem = '65MB'"))
        [before, _] = connection.execute(asked).one()
        connection.commit()
        closed = connection.connection.driver_connection

    configure(settings.database_url)

    with engines().write.connect() as connection:
        [after, memory] = connection.execute(asked).one()
        closed.close()
        assert connection.execute(asked).one() == (after, memory)
    assert after == before
    assert memory != "65MB"
    with pytest.raises(psycopg.OperationalError, match="closed"):
        closed.execute("SELECT 1")

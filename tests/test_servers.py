"""The stage itself: a database is emptied for the next test while a server goes on writing to it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests import servers


def test_a_port_is_given_to_one_alone_whichever_process_asks():
    here, asking = servers.free_port(), "from tests import ports; ports._turn = iter(range({0}, {0} + 500)); "
    command = [sys.executable, "-c", asking.format(here) + "print(ports.free_port())"]

    there = int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=servers.ROOT).stdout)

    assert there > here
    assert servers.free_port() != here


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

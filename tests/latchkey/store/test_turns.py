"""A page lets others run while PostgreSQL reads for it; who writes holds what others want, and goes on at once."""

import threading

import pytest
from sqlalchemy import text, update

from latchkey import turns
from latchkey.accounts.users import User
from latchkey.store.drivers.transactions import transaction
from latchkey.store.session import db, engines

SELECT = 'SELECT count(*) FROM "user"'


class Told:
    """Turns that are told of and given to everybody."""

    def __init__(self):
        self.calls = []

    def give(self):
        self.calls.append("give")

    def take_again(self):
        self.calls.append("take again")

    def take_turn(self):
        self.calls.append("take turn")


def by_engine():
    """By a connection that is there: what a new one asks is asked as well."""
    with engines().read.connect() as connection:
        assert connection.execute(text(SELECT)).scalar() == 0


def by_itself():
    assert engines().fetch(SELECT, {}) == [(0,)]


def write():
    with transaction() as connection:
        connection.cursor().execute("UPDATE \"user\" SET name = 'Somebody else'")


def told(work, *, patient):
    turn, faults = Told(), []

    def run():
        turns.take_part(turn, patient=patient)
        try:
            work()
        except BaseException as fault:
            faults.append(fault)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert faults == []
    return turn.calls


def in_a_session_that_writes():
    """By itself, while the session holds what it has written."""
    db.execute(text(SELECT))
    db.execute(update(User).values(name="Somebody else"))
    by_itself()
    db.commit()


@pytest.mark.parametrize("read", [by_engine, by_itself])
def test_who_reads_a_page_lets_others_run_meanwhile(db, read):
    expected = [] if engines().embedded else ["give", "take turn"]
    read()

    assert told(read, patient=True) == expected


@pytest.mark.parametrize("work, patient", [(by_engine, False), (by_itself, False), (write, True)])
def test_nobody_else_does(db, work, patient):
    assert told(work, patient=patient) == []


def test_who_has_begun_to_write_keeps_the_turn_until_the_commit(db):
    expected = [] if engines().embedded else ["give", "take turn"]
    in_a_session_that_writes()

    # What it read before, and what another transaction reads after it.
    assert told(in_a_session_that_writes, patient=True) == expected
    assert told(lambda: (in_a_session_that_writes(), by_itself()), patient=True) == 2 * expected

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from latchkey import throttle
from latchkey.throttle import Attempt, Limit

pytestmark = pytest.mark.usefixtures("settings")

FEW = (Limit(3, timedelta(minutes=1)), Limit(5, timedelta(hours=1)))


def test_a_few_attempts_are_heard_and_the_next_has_to_wait_for_the_window(clock):
    first = [throttle.hit("ada", *FEW) for _ in range(3)]
    clock.move(seconds=20)
    fourth = throttle.hit("ada", *FEW)
    clock.move(seconds=40)
    later = throttle.hit("ada", *FEW)

    assert first == [0, 0, 0]
    assert (fourth, later) == (40, 0)


def test_whoever_goes_on_waits_longer(clock):
    for _ in range(5):
        throttle.hit("ada", *FEW)
    clock.move(minutes=1)

    assert throttle.hit("ada", *FEW) == 59 * 60


def test_keys_are_counted_by_themselves():
    for _ in range(4):
        throttle.hit("ada", *FEW)

    assert throttle.hit("bob", *FEW) == 0
    assert throttle.hit("ada", *FEW) > 0


def test_what_was_no_guess_is_given_back_and_the_others_stay_counted():
    for _ in range(3):
        throttle.hit("here", *FEW)
    throttle.give_back("here", *FEW)

    assert throttle.hit("here", *FEW) == 0
    assert throttle.hit("here", *FEW) > 0


def test_giving_back_more_than_was_counted_gains_nothing():
    throttle.hit("here", *FEW)
    for _ in range(5):
        throttle.give_back("here", *FEW)

    assert [throttle.hit("here", *FEW) > 0 for _ in range(4)] == [False, False, False, True]


def test_whoever_was_in_the_right_begins_anew():
    for _ in range(4):
        throttle.hit("ada", *FEW)
    throttle.forgive("ada", *FEW)

    assert throttle.hit("ada", *FEW) == 0


def test_attempts_at_once_are_all_counted():
    barrier = threading.Barrier(16)

    def attempt(_):
        barrier.wait()
        return throttle.hit("ada", *FEW) == 0

    with ThreadPoolExecutor(16) as pool:
        heard = list(pool.map(attempt, range(16)))

    assert sorted(heard) == [False] * 13 + [True] * 3


def test_what_was_tried_is_not_readable_in_the_database(db):
    throttle.hit("sign-in:ada@example.com", *FEW)

    assert "ada" not in "".join(db.scalars(select(Attempt.key)))


def test_windows_that_have_passed_are_purged(db, clock):
    throttle.hit("ada", *FEW)
    clock.move(minutes=2)

    throttle.purge()
    db.commit()

    assert db.scalar(select(func.count()).select_from(Attempt)) == 1

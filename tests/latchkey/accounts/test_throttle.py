import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from latchkey.accounts import throttle
from latchkey.accounts.throttle import Attempt, Counter, Crowd, TooMany
from latchkey.store.drivers.transactions import together
from latchkey.store.session import engines
from latchkey.values import Limit

pytestmark = pytest.mark.usefixtures("settings")

FEW = (Limit(3, timedelta(minutes=1)), Limit(5, timedelta(hours=1)))
ADA, BOB, HERE = (Counter(key, FEW) for key in ("ada", "bob", "here"))


def test_a_few_attempts_are_heard_and_the_next_has_to_wait_for_the_window(clock):
    first = [throttle.hit(ADA) for _ in range(3)]
    clock.move(seconds=20)
    fourth = throttle.hit(ADA)
    clock.move(seconds=40)
    later = throttle.hit(ADA)

    assert first == [0, 0, 0]
    assert (fourth, later) == (40, 0)


def test_whoever_goes_on_waits_longer(clock):
    for _ in range(3):
        throttle.hit(ADA)
    clock.move(minutes=1)
    for _ in range(2):
        throttle.hit(ADA)

    assert throttle.hit(ADA) == 59 * 60


@pytest.mark.standard("L-05")
def test_what_is_refused_is_counted_by_nothing(clock):
    refused = [throttle.hit(ADA) for _ in range(50)][3:]
    clock.move(minutes=1)

    # Of the longer window two are left, as if nobody had knocked meanwhile.
    assert refused == [60] * 47
    assert [throttle.hit(ADA) for _ in range(3)] == [0, 0, 59 * 60]


@pytest.mark.standard("L-05")
def test_what_one_counter_refuses_the_others_do_not_count(clock):
    for _ in range(3):
        throttle.hit(ADA)
    refused = [throttle.hit(ADA, BOB) for _ in range(20)]

    assert refused == [60] * 20
    assert [throttle.hit(BOB) for _ in range(4)] == [0, 0, 0, 60]


def test_whoever_has_to_wait_is_told_by_an_exception_too(clock):
    for _ in range(3):
        throttle.admit(ADA)

    with pytest.raises(TooMany) as refused:
        throttle.admit(ADA)
    assert refused.value.wait == 60


def test_keys_are_counted_by_themselves():
    for _ in range(4):
        throttle.hit(ADA)

    assert throttle.hit(BOB) == 0
    assert throttle.hit(ADA) > 0


def test_what_was_no_guess_is_given_back_and_the_others_stay_counted():
    for _ in range(3):
        throttle.hit(HERE)
    throttle.refund(HERE)

    assert throttle.hit(HERE) == 0
    assert throttle.hit(HERE) > 0


def test_giving_back_more_than_was_counted_gains_nothing():
    throttle.hit(HERE)
    for _ in range(5):
        throttle.refund(HERE)

    assert [throttle.hit(HERE) > 0 for _ in range(4)] == [False, False, False, True]


def test_whoever_was_in_the_right_begins_anew():
    for _ in range(4):
        throttle.hit(ADA)
    throttle.reset(ADA)

    assert throttle.hit(ADA) == 0


@pytest.mark.standard("L-05")
def test_attempts_at_once_are_all_counted():
    barrier = threading.Barrier(16)

    def attempt(number):
        barrier.wait()
        return throttle.hit(*((ADA, HERE) if number % 2 else (HERE, ADA))) == 0

    with ThreadPoolExecutor(16) as pool:
        heard = list(pool.map(attempt, range(16)))

    assert sorted(heard) == [False] * 13 + [True] * 3


EVERYBODY = Counter("everybody", (Limit(2, timedelta(minutes=1)),))


def test_while_everybody_tries_too_often_what_stands_instead_is_counted_and_all_of_it_or_nothing():
    crowd = Crowd(EVERYBODY, (HERE,))

    by = [throttle.admit(Counter(f"name {number}", FEW), crowd=crowd)[1:] for number in range(5)]
    with pytest.raises(TooMany) as refused:
        throttle.admit(ADA, crowd=crowd)

    assert by == [(EVERYBODY,), (EVERYBODY,), (HERE,), (HERE,), (HERE,)]
    assert refused.value.wait == 60
    assert [throttle.hit(ADA) for _ in range(3)] == [0, 0, 0]


@pytest.mark.standard("D-08", "L-05")
def test_attempts_that_share_a_commit_are_counted_and_refused_like_others(clock):
    with together() if engines().embedded else nullcontext():
        waits = [throttle.hit(ADA) for _ in range(5)]

    assert waits == [0, 0, 0, 60, 60]
    assert throttle.hit(ADA) == 60


def test_a_full_count_of_ones_own_takes_nothing_from_everybody():
    for _ in range(3):
        throttle.hit(ADA)

    for _ in range(5):
        with pytest.raises(TooMany):
            throttle.admit(ADA, crowd=Crowd(EVERYBODY, (HERE,)))

    assert [throttle.hit(EVERYBODY) for _ in range(2)] == [0, 0]
    assert throttle.hit(HERE) == 0


def test_what_was_right_is_settled_with_all_else_or_not_at_all(db):
    for _ in range(3):
        throttle.hit(ADA, HERE)

    throttle.settle(anew=(ADA,), less=(HERE,))
    db.rollback()
    undone = [throttle.hit(ADA), throttle.hit(HERE)]
    throttle.settle(anew=(ADA,), less=(HERE,))
    db.commit()

    assert all(undone)
    assert [throttle.hit(HERE) > 0 for _ in range(2)] == [False, True]
    assert [throttle.hit(ADA) for _ in range(3)] == [0, 0, 0]


@pytest.mark.standard("L-05")
def test_right_tries_at_once_wait_for_each_other_in_one_order(db):
    barrier = threading.Barrier(8)

    def tried(number):
        mine = (ADA, HERE) if number % 2 else (HERE, ADA)
        barrier.wait()
        for _ in range(3):
            throttle.hit(*mine)
            throttle.settle(anew=mine, less=())
            db.commit()
        db.remove()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tried, range(8)))

    assert [throttle.hit(ADA, HERE) for _ in range(3)] == [0, 0, 0]


def test_what_was_tried_is_not_readable_in_the_database(db):
    throttle.hit(Counter("sign-in:ada@example.com", FEW))

    assert "ada" not in "".join(db.scalars(select(Attempt.key)))


def test_windows_that_have_passed_are_purged(db, clock):
    throttle.hit(ADA)
    clock.move(minutes=2)

    throttle.purge()
    db.commit()

    assert db.scalar(select(func.count()).select_from(Attempt)) == 1

"""A few of many threads run at a time; whoever waits gives way, and nobody who does not say so stops the others."""

import os
import sys
import threading

import pytest

from latchkey import turns
from web.server import threads as serving
from web.server.threads import ByTurns, Threads

SECONDS = 60


@pytest.fixture
def done():
    return threading.Semaphore(0)


def finish(done, count):
    assert all(done.acquire(timeout=SECONDS) for _ in range(count))


def test_no_more_run_at_a_time_than_may_and_the_first_come_first(done):
    running, most, order = [], [], []
    guard = threading.Lock()

    def job(number):
        with guard:
            running.append(number)
            most.append(len(running))
            order.append(number)
        threading.Event().wait(0.002)
        with guard:
            running.remove(number)
        done.release()

    threads = Threads("test", 8, 1)
    for number in range(30):
        threads.submit(lambda number=number: job(number))
    finish(done, 30)

    assert max(most) == 1
    assert order == list(range(30))


def test_as_many_run_at_a_time_as_may():
    """None of them is done before all have begun."""
    meet = threading.Barrier(4, timeout=SECONDS)
    met = threading.Semaphore(0)
    threads = Threads("test", 4)

    for _ in range(8):
        threads.submit(lambda: (meet.wait(), met.release()))

    finish(met, 8)


def test_whoever_waits_lets_another_one_run(done):
    came, waited = threading.Event(), []
    threads = Threads("test", 30, 1)

    def wait():
        with turns.waiting(), turns.waiting():
            waited.append(came.wait(SECONDS))
        done.release()

    for _ in range(20):
        threads.submit(wait)
    threads.submit(lambda: (came.set(), done.release()))
    finish(done, 21)

    assert waited == [True] * 20
    # The turn is there again, and no second one.
    test_no_more_run_at_a_time_than_may_and_the_first_come_first(done)


def test_all_of_them_may_wait_and_go_on_with_what_came_meanwhile(done):
    came = threading.Event()
    threads = Threads("test", 2, 1)

    def wait():
        with turns.waiting():
            assert came.wait(SECONDS)
        done.release()

    for job in (wait, wait, done.release):
        threads.submit(job)
    came.set()

    finish(done, 3)


def test_who_waits_without_saying_so_stops_the_others_only_for_a_moment(done):
    came = threading.Event()
    threads = Threads("test", 8, 1)

    for _ in range(3):
        threads.submit(lambda: (came.wait(SECONDS), done.release()))
    threads.submit(lambda: (came.set(), done.release()))

    finish(done, 4)


def test_who_reads_lets_another_one_run_and_goes_on_in_its_turn(done):
    """One at a time runs, and of those that have begun none waits for one that has not."""
    threads = Threads("test", 8, 1, patient=True)
    began, order, running = threading.Event(), [], threading.Semaphore(1)

    def run(name):
        assert running.acquire(blocking=False)
        order.append(name)
        running.release()

    def reader():
        run("first begins")
        with turns.reading():
            assert began.wait(SECONDS)
        run("first goes on")
        done.release()

    def other(name):
        assert running.acquire(blocking=False)
        began.set()
        while not threads._back and name == "second":
            # Until the first is there again.
            threading.Event().wait(0.001)
        order.append(name)
        running.release()
        done.release()

    threads.submit(reader)
    for name in ("second", "third"):
        threads.submit(lambda name=name: other(name))
    finish(done, 3)

    assert order == ["first begins", "second", "first goes on", "third"]


def test_who_came_back_waits_only_for_a_moment_for_one_that_stands_still(done):
    began, came = threading.Event(), threading.Event()
    threads = Threads("test", 8, 1, patient=True)

    def reader():
        with turns.reading():
            assert began.wait(SECONDS)
        came.set()
        done.release()

    threads.submit(reader)
    threads.submit(lambda: (began.set(), came.wait(SECONDS), done.release()))
    finish(done, 2)

    assert came.is_set()
    # The turn is there again, and no second one.
    test_no_more_run_at_a_time_than_may_and_the_first_come_first(done)


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_who_reads_in_vain_goes_on_in_its_turn_as_well(done, fault):
    threads = Threads("test", 4, 1, patient=True)

    def reader():
        with turns.reading():
            raise fault

    for _ in range(6):
        threads.submit(reader)
    threads.submit(done.release)

    finish(done, 1)


def test_who_holds_what_others_want_gives_nobody_its_turn_for_reading(done):
    threads, came = Threads("test", 4, 1), []

    def reader():
        with turns.reading():
            came.append("read")
        done.release()

    threads.submit(reader)
    threads.submit(lambda: (came.append("next"), done.release()))
    finish(done, 2)

    assert came == ["read", "next"]


@pytest.mark.parametrize("fault", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_thread_outlives_what_its_job_raises(done, fault, caplog):
    def fail():
        with turns.waiting():
            raise fault("what was sent")

    threads = Threads("test", 1)
    threads.submit(fail)
    threads.submit(done.release)
    finish(done, 1)

    assert fault.__name__ in caplog.text
    assert "what was sent" not in caplog.text


def test_nobody_gives_way_where_there_are_no_turns():
    with turns.waiting():
        pass


@pytest.fixture
def scheduling(monkeypatch):
    """What the kernel is told, in place of the kernel; as what the thread ran before."""
    monkeypatch.setattr(sys, "setswitchinterval", lambda _seconds: None)
    monkeypatch.setattr(sys, "platform", "linux")
    for number, name in enumerate(("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH")):
        monkeypatch.setattr(os, name, number, raising=False)
    monkeypatch.setattr(os, "sched_param", lambda priority: priority, raising=False)
    told = []

    def running(policy, refusal=None):
        def tell(*asked):
            told.append(asked)
            if refusal is not None:
                raise refusal

        monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: policy, raising=False)
        monkeypatch.setattr(os, "sched_setscheduler", tell, raising=False)
        return told

    return running


def test_no_thread_of_a_server_interrupts_the_one_that_woke_it(scheduling):
    told = scheduling(os.SCHED_OTHER)

    serving.settle()

    assert told == [(0, os.SCHED_BATCH, 0)]


def test_how_an_operator_has_the_server_scheduled_is_left_so(scheduling):
    told = scheduling(os.SCHED_RR)

    serving.settle()

    assert told == []


def test_a_server_serves_also_where_it_may_not_choose_how_it_is_scheduled(scheduling, monkeypatch):
    told = scheduling(os.SCHED_OTHER, PermissionError())

    serving.settle()

    assert len(told) == 1

    def unknown(_thread):
        raise OSError

    monkeypatch.setattr(os, "sched_getscheduler", unknown)
    serving.settle()
    assert len(told) == 1


@pytest.mark.standard("L-05")
def test_networks_have_threads_by_turns(done):
    order, go = [], threading.Event()
    threads = ByTurns(Threads("test", 1))
    threads.submit(lambda: (go.wait(SECONDS), done.release()), ("", ""))

    def job(name):
        order.append(name)
        done.release()

    for name in (*["hostile"] * 50, "honest", "another"):
        threads.submit(lambda name=name: job(name), (name, name))
    go.set()
    finish(done, 53)

    assert order[:4] == ["hostile", "honest", "another", "hostile"]


def test_a_job_of_somebody_else_goes_on_after_one_that_fails(done):
    threads = ByTurns(Threads("test", 1))

    threads.submit(lambda: 1 / 0, ("one", "one"))
    threads.submit(done.release, ("two", "two"))

    finish(done, 1)

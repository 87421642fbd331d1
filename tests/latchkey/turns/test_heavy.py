"""Work that takes a core for long: done by a few threads, in a forked process too, and given back to who asked."""

import os
import threading

import pytest

from latchkey.turns import heavy
from tests import servers


@pytest.fixture
def anew(monkeypatch):
    """As a process that has done none of it."""
    monkeypatch.setattr(heavy._Process, "jobs", None)
    monkeypatch.setattr(heavy._Process, "sharing", 1)


def test_no_more_of_it_is_done_at_a_time_than_there_are_cores_for_this_process(anew, monkeypatch):
    monkeypatch.setattr(heavy, "cores", lambda: 4)
    heavy.share(2)
    running, most, guard, two = set(), [], threading.Lock(), threading.Barrier(2, timeout=60)

    def work():
        with guard:
            running.add(threading.get_ident())
            most.append(len(running))
        two.wait()
        with guard:
            running.discard(threading.get_ident())

    asking = [threading.Thread(target=heavy.run, args=(work, ("", ""))) for _ in range(12)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert (len(most), max(most)) == (12, 2)


def test_many_processes_have_one_each(anew):
    heavy.share(1_000)

    assert len({heavy.run(threading.get_ident, ()) for _ in range(5)}) == 1
    assert heavy.run(threading.get_ident, ()) != threading.get_ident()


def test_what_goes_wrong_is_raised_where_it_was_asked_for():
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            heavy.run(lambda: 1 / 0, ())
    assert heavy.run(lambda: "done", ()) == "done"


def test_a_forked_process_has_threads_of_its_own():
    assert heavy.run(os.getpid, ()) == os.getpid()
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(there, str(heavy.run(os.getpid, ())).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(here, 20) == str(child).encode()
    os.close(here)
    os.close(there)


@pytest.mark.standard("L-05")
def test_networks_have_it_done_by_turns(anew):
    """However many hashes one has asked for, somebody else waits for one of them beside the one that is under way."""
    heavy.share(1_000)
    begun, go, order = threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go.wait(60)

    def ask(network):
        thread = threading.Thread(target=heavy.run, args=(lambda: order.append(network), (network, network)))
        thread.start()
        return thread

    held = threading.Thread(target=heavy.run, args=(first, ("", "")))
    held.start()
    assert begun.wait(60)
    asking = [ask("hostile") for _ in range(30)]
    servers.wait_until(lambda: heavy._Process.jobs._there.qsize() == 30, "those who ask first")
    asking.append(ask("honest"))
    servers.wait_until(lambda: heavy._Process.jobs._there.qsize() == 31, "who asks last")
    go.set()
    for thread in (held, *asking):
        thread.join()

    assert order.index("honest") == 1

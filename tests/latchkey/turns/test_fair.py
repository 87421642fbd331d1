"""Whoever asks for much waits for itself: turns go round between places, and between what is within them."""

import sys
import threading

import pytest

from latchkey.turns.fair import Line


def order(*names):
    line = Line()
    for number, whose in enumerate(names):
        line.put(number, *whose)
    return [line.take() for _ in names]


def test_what_comes_from_one_place_keeps_its_order():
    assert order(*[("here",)] * 5) == [0, 1, 2, 3, 4]
    assert order(*[()] * 3) == [0, 1, 2]


def test_whoever_comes_last_waits_for_one_of_each_other_place():
    crowd = [("crowd",)] * 200

    assert order(*crowd, ("one",), ("two",))[:4] == [0, 200, 201, 1]


def test_one_within_a_place_waits_for_one_of_each_other_within_it():
    many = [("site", str(number % 4)) for number in range(100)]

    assert order(*many, ("site", "other"), ("elsewhere", "one"))[:7] == [0, 101, 1, 2, 3, 100, 4]


def test_nothing_is_kept_of_a_place_of_which_nothing_waits():
    line = Line()
    for number in range(1_000):
        line.put(number, f"site {number % 40}", f"network {number}")
    for _ in range(1_000):
        line.take()

    assert not line._all.parts and not line._all.items
    with pytest.raises(IndexError):
        line.take()


def test_threads_take_each_once():
    line, found, interval = Line(), [], sys.getswitchinterval()

    def work(name):
        for number in range(300):
            line.put((name, number), str(number % 7), name)
            found.append(line.take())

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(str(name),)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert sorted(found) == sorted((str(name), number) for name in range(6) for number in range(300))

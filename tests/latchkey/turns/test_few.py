"""How much work is under way for one person at a time."""

import os

import pytest

from latchkey.turns import few
from latchkey.turns.few import Busy


def test_each_person_has_so_many_and_again_when_one_is_done():
    with few.of("alice", 2), few.of("bob", 2):
        with few.of("alice", 2), pytest.raises(Busy), few.of("alice", 2):
            pass
        with few.of("alice", 2):
            pass

    assert not few._under_way.pieces


def test_what_fails_is_not_under_way_any_more():
    for _ in range(2):
        with pytest.raises(KeyError), few.of("alice", 1):
            raise KeyError

    assert not few._under_way.pieces


def test_a_forked_process_begins_anew():
    with few.of("alice", 1), few._under_way.guard:
        child = os.fork()
        if not child:
            try:
                with few.of("alice", 1):
                    os._exit(0)
            finally:
                os._exit(1)

    assert os.waitpid(child, 0)[1] == 0

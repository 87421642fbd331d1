"""Argon2id in memory of the thread's own says what the library says, and leaves nothing there."""

import contextlib
import threading
from queue import SimpleQueue

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from latchkey.turns import argon2id, heavy

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SECRET = b"umbrella-quarry-violet-91"


@pytest.fixture(autouse=True)
def nothing_kept():
    yield
    argon2id.give_back()


@pytest.fixture
def by_the_library_alone(monkeypatch):
    """Whatever gets there was not decided before."""
    asked = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda *given: asked.append(given) or verify(*given))
    return asked


@pytest.mark.standard("L-03")
@pytest.mark.parametrize("secret", [SECRET, b"", b"\0", b"x" * 1024])
def test_a_hash_of_the_library_is_told_without_asking_it(by_the_library_alone, secret):
    stored = QUICK.hash(secret)

    assert argon2id.fits(QUICK, stored, secret)
    assert not argon2id.fits(QUICK, stored, secret + b"x")
    assert not by_the_library_alone


def test_one_with_other_costs_is_left_to_the_library(by_the_library_alone):
    stored = PasswordHasher(time_cost=2, memory_cost=128, parallelism=2).hash(SECRET)

    assert argon2id.fits(QUICK, stored, SECRET)
    assert len(by_the_library_alone) == 1
    with pytest.raises(VerifyMismatchError):
        argon2id.fits(QUICK, stored, b"another")


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda stored: stored[:-1],
        lambda stored: stored + "$",
        lambda stored: stored.rpartition("$")[0],
        lambda stored: stored.rpartition("$")[0] + "$",
        lambda stored: stored.replace("p=1$", "p=1$!"),
        lambda stored: stored.replace("p=1$", "p=1$ä"),
        lambda stored: stored.rpartition("$")[0] + "$QQ",
        lambda stored: "$argon2id$v=19$m=64,t=1,p=1$QQ$" + stored.rpartition("$")[2],
        lambda stored: "",
    ],
)
def test_one_that_was_spoiled_fits_nothing(spoiled):
    stored = spoiled(QUICK.hash(SECRET))

    with contextlib.suppress(VerificationError, InvalidHashError, UnicodeEncodeError):
        assert not argon2id.fits(QUICK, stored, SECRET)


def test_where_no_program_may_make_functions_the_library_does_it(monkeypatch, by_the_library_alone):
    monkeypatch.setattr(argon2id, "_callbacks", lambda: None)

    assert argon2id.fits(QUICK, QUICK.hash(SECRET), SECRET)
    assert len(by_the_library_alone) == 1


def test_nothing_of_a_hash_stays_in_its_memory():
    assert argon2id.fits(QUICK, QUICK.hash(SECRET), SECRET)

    memory = argon2id._mine.memory
    assert bytes(argon2id.ffi.buffer(memory.begin, memory.size)).strip(b"\0") == b""


def test_memory_is_kept_for_the_next_hash_and_for_no_other_thread():
    assert argon2id.fits(QUICK, QUICK.hash(SECRET), SECRET)
    memory, other = argon2id._mine.memory, []
    assert argon2id.fits(QUICK, QUICK.hash(SECRET), SECRET)

    thread = threading.Thread(target=lambda: other.append(argon2id._mine.memory))
    thread.start()
    thread.join()

    assert argon2id._mine.memory is memory
    assert other == [None]


def test_threads_that_hash_at_once_do_not_meet():
    stored, told, barrier = QUICK.hash(SECRET), [], threading.Barrier(4)

    def work(secret):
        barrier.wait()
        told.extend(argon2id.fits(QUICK, stored, secret) for _ in range(50))

    threads = [threading.Thread(target=work, args=(secret,)) for secret in (SECRET, b"no", SECRET, b"nor this")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False] * 100 + [True] * 100


def test_memory_is_given_back_when_nobody_hashes_any_more(monkeypatch):
    given_back, jobs = threading.Event(), SimpleQueue()
    monkeypatch.setattr(heavy, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(argon2id, "give_back", given_back.set)
    threading.Thread(target=heavy._labour, args=(jobs,), daemon=True).start()

    jobs.put(heavy._Piece(lambda: None))

    assert given_back.wait(30)

"""Who runs while others wait: however many threads there are, the interpreter runs one at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Turns(Protocol):
    """Lets only a few of many threads run at a time."""

    def give(self) -> None:
        """Let another thread run instead of this one."""

    def take_again(self) -> None:
        """Go on at once, without waiting for a turn: this thread may hold something that others wait for."""

    def take_turn(self) -> None:
        """Go on when it is this thread's turn: it holds nothing that others wait for."""


class _Mine(threading.local):
    turns: Turns | None = None
    patient = holding = False


_mine = _Mine()


def take_part(turns: Turns, *, patient: bool = False) -> None:
    """From now on this thread runs by these turns. `patient`: it can wait for a turn after each read of a database."""
    _mine.turns, _mine.patient = turns, patient


def hold(*, something: bool) -> None:
    """Note whether this thread holds something that others may wait for, such as locked rows."""
    _mine.holding = something


@contextmanager
def waiting() -> Iterator[None]:
    """Within it other threads run. Whatever waits for something is to be wrapped in it."""
    turns, _mine.turns = _mine.turns, None
    if turns is None:
        yield
        return
    turns.give()
    try:
        yield
    finally:
        turns.take_again()
        _mine.turns = turns


@contextmanager
def reading() -> Iterator[None]:
    """Like `waiting`, for reads of a database server: a patient thread that holds nothing then waits for its turn."""
    turns = _mine.turns
    if turns is None or not _mine.patient or _mine.holding:
        yield
        return
    turns.give()
    try:
        yield
    finally:
        turns.take_turn()

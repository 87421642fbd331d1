"""Who runs while others wait: however many threads there are, the interpreter runs one at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Turns(Protocol):
    """What lets a few of many threads run at a time."""

    def give(self) -> None:
        """Let another one run."""

    def take_again(self) -> None:
        """Go on, without another wait: what a thread holds meanwhile, others want."""

    def take_turn(self) -> None:
        """Go on when it is this thread's turn: it holds nothing that others want."""


class _Mine(threading.local):
    turns: Turns | None = None
    patient = holding = False


_mine = _Mine()


def take_part(turns: Turns, *, patient: bool = False) -> None:
    """From now on this thread runs by these turns; `patient`: what it reads, it reads without holding anything."""
    _mine.turns, _mine.patient = turns, patient


def hold(*, something: bool) -> None:
    """From now on this thread holds something that others want, or nothing any more."""
    _mine.holding = something


@contextmanager
def waiting() -> Iterator[None]:
    """Let others run meanwhile: whoever waits for something says so."""
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
    """Let others run while a database elsewhere is asked; who is patient and holds nothing goes on in its turn."""
    turns = _mine.turns
    if turns is None or not _mine.patient or _mine.holding:
        yield
        return
    turns.give()
    try:
        yield
    finally:
        turns.take_turn()

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


class _Mine(threading.local):
    turns: Turns | None = None


_mine = _Mine()


def take_part(turns: Turns) -> None:
    """From now on this thread runs by these turns."""
    _mine.turns = turns


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

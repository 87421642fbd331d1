"""How much work is under way for one person at a time, in this process: whoever has more waits with it alone."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Busy(Exception):
    """As much is under way for this person as may be."""


class _UnderWay:
    """What is, in this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.guard, self.pieces = threading.Lock(), Counter[str]()


_under_way = _UnderWay()


# Threads do not come along into a process that is forked.
os.register_at_fork(after_in_child=_under_way.forget)


@contextmanager
def of(person: str, most: int) -> Iterator[None]:
    """One piece of at most so many is under way. Raises `Busy`."""
    with _under_way.guard:
        if _under_way.pieces[person] >= most:
            raise Busy
        _under_way.pieces[person] += 1
    try:
        yield
    finally:
        with _under_way.guard:
            _under_way.pieces[person] -= 1
            if not _under_way.pieces[person]:
                del _under_way.pieces[person]

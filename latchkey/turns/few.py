"""A bound on how much work of one person this process does at the same time, so that nobody delays the others."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Busy(Exception):
    """As much work is under way for this person as is allowed."""


class _UnderWay:
    """The work that is under way in this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.guard, self.pieces = threading.Lock(), Counter[str]()


_under_way = _UnderWay()


# A forked process has none of its parent's threads, so none of their work.
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

"""A queue that serves its sources in turn, so that no source delays the others, however much it asks for."""

import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Part(Generic[Item]):
    """What waits under one name: its own items, and narrower names, of which the last served comes last."""

    __slots__ = ("items", "parts")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.parts: OrderedDict[str, _Part[Item]] = OrderedDict()

    def take(self) -> Item:
        if not self.parts:
            return self.items.popleft()
        name, part = self.parts.popitem(last=False)
        item = part.take()
        if part.items or part.parts:
            self.parts[name] = part
        return item


class Line(Generic[Item]):
    """The queue, for any number of threads. Nothing is kept of a name of which nothing waits."""

    def __init__(self) -> None:
        self._guard, self._all = threading.Lock(), _Part[Item]()

    def put(self, item: Item, *whose: str) -> None:
        """Let it wait. `whose` are names, the widest first: each has its turn, and within it each narrower one.

        All of one line have as many.
        """
        with self._guard:
            part = self._all
            for name in whose:
                found = part.parts.get(name)
                if found is None:
                    found = part.parts[name] = _Part()
                part = found
            part.items.append(item)

    def take(self) -> Item:
        """Take the item whose turn it is. Raises `IndexError` if nothing waits."""
        with self._guard:
            return self._all.take()

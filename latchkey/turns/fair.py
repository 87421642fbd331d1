"""Who is next among those who wait: by turns of where they come from, however much is asked for from one place."""

import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Part(Generic[Item]):
    """What waits by one name: by itself, and in parts, of which the one that had its turn last comes last."""

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
    """What waits, of any number of threads. Of a name nothing is kept while nothing of it waits."""

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
        """Whose turn it is. Raises `IndexError` when nothing waits."""
        with self._guard:
            return self._all.take()

"""When the company's old check is left alone for a moment, since it gives no answer.

A fault before a string was sent is the old check's own. After that it may be the string's, which a stranger chose: the
same string is not sent again for a while, a network that sends several such is not asked for, and nobody is only when
several networks see it at once, which are not all of one IPv6 site.
"""

import threading
import time
from collections import OrderedDict
from typing import TypeVar

from latchkey import addresses

SECONDS = 5.0
STRINGS, NETWORKS = 3, 3
MOST_KNOWN = 1_000

Key = TypeVar("Key", bytes, str)


class Pauses:
    """Whom nobody asks the old check for, in this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._everybody = float("-inf")
        self._strings: OrderedDict[bytes, float] = OrderedDict()
        self._networks: OrderedDict[str, float] = OrderedDict()
        # The strings by which it failed since it answered anything that came from there.
        self._failed: OrderedDict[str, set[bytes]] = OrderedDict()

    def holds(self, digest: bytes, network: str) -> bool:
        """Whether it is not asked about a string that comes from a network."""
        with self._guard:
            return time.monotonic() < max(
                self._everybody,
                self._strings.get(digest, self._everybody),
                self._networks.get(network, self._everybody),
            )

    def unreachable(self) -> None:
        """Nobody answers there."""
        with self._guard:
            self._everybody = time.monotonic() + SECONDS

    def answered(self, network: str) -> None:
        """It said something about a string that came from there."""
        with self._guard:
            self._failed.pop(network, None)

    def failed(self, digest: bytes, network: str) -> None:
        """It took a string, and said nothing that is an answer."""
        now = time.monotonic()
        with self._guard:
            _put(self._strings, digest, now + SECONDS)
            seen = self._failed.setdefault(network, set())
            seen.add(digest)
            if len(seen) >= STRINGS:
                seen.clear()
                _put(self._networks, network, now + SECONDS)
            if len(self._failed) > MOST_KNOWN:
                self._failed.popitem(last=False)
            paused = {addresses.neighbourhood(name) for name, until in self._networks.items() if until > now}
            if len(paused) >= NETWORKS:
                self._everybody = now + SECONDS


def _put(known: OrderedDict[Key, float], key: Key, until: float) -> None:
    known.pop(key, None)
    known[key] = until
    while len(known) > MOST_KNOWN:
        known.popitem(last=False)

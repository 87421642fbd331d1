"""A pool of connections that tells how long threads had to wait for one."""

import time
from collections.abc import Callable

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

# Told how long a thread had to wait, whether it got one or gave up.
watchers: list[Callable[[float], object]] = []


class Pool(QueuePool):
    """SQLAlchemy's own, watched where nothing is free and no more may be made."""

    def _do_get(self) -> ConnectionPoolEntry:
        if self.checkedin() or self.overflow() < self._max_overflow:
            return super()._do_get()
        begun = time.perf_counter()
        try:
            return super()._do_get()
        finally:
            for tell in watchers:
                tell(time.perf_counter() - begun)

"""Many threads that begin at the same moment, and one that goes on when another waits for what it holds."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import text

from latchkey.store.session import db, engines

Result = TypeVar("Result")
SECONDS = 30
LOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def at_once(*acts: Callable[[], Result]) -> list[Result]:
    """What each act came to; a fault of any is the test's."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Result]) -> Result:
        barrier.wait()
        try:
            return act()
        finally:
            db.remove()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def until_somebody_waits_for_a_row(or_else: Callable[[], bool] = lambda: False) -> None:
    """Where one writes at a time, nobody gets as far as that."""
    if engines().embedded:
        return
    until = time.monotonic() + SECONDS
    with engines().write.connect() as connection:
        while not or_else() and not connection.execute(text(LOCKED)).scalar_one():
            connection.rollback()
            assert time.monotonic() < until
            time.sleep(0.005)

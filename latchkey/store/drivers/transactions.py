"""Transactions on a driver connection, for prepared statements, and one that several callers share."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

from sqlalchemy.engine.interfaces import DBAPIConnection

from latchkey.store import postgres
from latchkey.store.drivers import sqlite
from latchkey.store.session import engines


def write_lock() -> AbstractContextManager[object]:
    """Hold the write lock so that reads use the writer connection's page cache. Does nothing but on SQLite."""
    pair = engines()
    return pair.write_lock() if pair.embedded else nullcontext()


def hasty_after(error: Exception) -> AbstractContextManager[object]:
    """Within it this thread waits only briefly for the write lock, if the fault was that such a wait timed out."""
    cause = getattr(error, "orig", error)
    in_vain = sqlite.busy(error) or isinstance(cause, TimeoutError)
    return engines().hasty() if in_vain else nullcontext()


class Spoiled(Exception):
    """Something failed in a shared transaction: all of it must be rolled back."""


class Shared(threading.local):
    """Whether this thread writes in a shared transaction (`together`), and whether that is still sound."""

    open = spoiled = False

    def check(self, connection: DBAPIConnection) -> None:
        """Raises `Spoiled`, also where SQLite itself has rolled back, as when the disk is full."""
        if self.spoiled or not connection.in_transaction:
            self.spoiled = True
            raise Spoiled


shared = Shared()
_WHOLE = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_PART = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))


class Undo(Exception):
    """Rolls a transaction back; whoever raises it catches it outside."""


@contextmanager
def transaction() -> Iterator[DBAPIConnection]:
    """A transaction on a driver connection, for prepared writes; within `together`, a part of the shared one."""
    pair = engines()
    if not pair.embedded:
        with closing(pair.write.raw_connection()) as pooled:
            try:
                yield pooled
            except postgres.faults() as fault:
                if postgres.outdated(fault):
                    pooled.invalidate(fault)
                raise
            # Unless it was committed, it is rolled back when it returns to its pool.
            pooled.commit()
        return
    with pair.write_lock() as connection:
        if shared.open:
            shared.check(connection)
        # Words that are given so are compiled once, unlike those of the driver's own `commit`.
        begin, commit, undo = _PART if shared.open else _WHOLE
        connection.execute(begin)
        try:
            yield connection
            connection.execute(commit)
        except BaseException:
            for word in undo if connection.in_transaction else ():
                connection.execute(word)
            raise


@contextmanager
def together() -> Iterator[None]:
    """Within it all exchanges of this thread share one transaction and one commit, on SQLite.

    Nothing of it may be told before. Raises what failed, or `Spoiled`: then nothing of it happened.
    """
    with transaction() as connection:
        shared.open, shared.spoiled = True, False
        try:
            yield
            shared.check(connection)
        finally:
            shared.open = False

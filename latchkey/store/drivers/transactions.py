"""Transactions on the driver's own connection, for what is prepared beforehand; and one that several share."""

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
    """Meanwhile this thread waits hardly for who writes, if that is what failed: it would be in vain once more."""
    cause = getattr(error, "orig", error)
    in_vain = sqlite.busy(error) or isinstance(cause, TimeoutError)
    return engines().hasty() if in_vain else nullcontext()


class Spoiled(Exception):
    """Something failed in a transaction that several share: nothing of it may stay."""


class Shared(threading.local):
    """Whether what this thread writes has a share in a transaction (`together`), and may still have."""

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
    """Ends a transaction without what it changed; whoever raises it waits for it outside."""


@contextmanager
def transaction() -> Iterator[DBAPIConnection]:
    """A transaction on the driver's own connection, for prepared writes; a part of what this thread shares."""
    pair = engines()
    if not pair.embedded:
        with closing(pair.write.raw_connection()) as pooled:
            try:
                yield pooled
            except postgres.faults() as fault:
                if postgres.outdated(fault):
                    pooled.invalidate(fault)
                raise
            # Back in its pool it is rolled back, unless it was committed.
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
    """Let all that this thread exchanges meanwhile have one commit, on an embedded database.

    Nothing of it may be told before. Raises what failed, or `Spoiled`: then nothing of it happened.
    """
    with transaction() as connection:
        shared.open, shared.spoiled = True, False
        try:
            yield
            shared.check(connection)
        finally:
            shared.open = False

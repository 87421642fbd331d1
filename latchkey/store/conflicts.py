"""What happens when two transactions meet: told from other faults, undone, and done again on what is there now.

Locks are taken in one order everywhere, so that nobody waits in a circle: user, client, its secrets, authorization,
grant, token, and then whatever hangs on these; several rows of one table in the order of their ids. The database's own
cascades do not know that order: it then ends one of the two, which is done again.

Whoever acts on another user locks both at once (`lockdown.hold`); what belongs to anybody is ended in a transaction for
each (`leaks.report_all`); and the use of tokens is written down by who waits for one alone (`usage.flush`).
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from latchkey.store import postgres
from latchkey.store.session import db

Result = TypeVar("Result")
TRIES = 3
# PostgreSQL: serialization failure, deadlock, and a row that belongs to one that was just deleted; and a table that was
# changed.
STATES = frozenset({"40001", "40P01", "23503"}) | postgres.OUTDATED


class Gone(Exception):
    """What was read a moment ago was deleted or stopped since."""


# The session's own words for the same: what is changed, read on, or asked for by the id that another row gave.
GONE = (Gone, StaleDataError, ObjectDeletedError, NoResultFound)


def _faults() -> tuple[type[Exception], ...]:
    return (*GONE, DBAPIError, sqlite3.Error, *postgres.faults())


def met(fault: BaseException) -> bool:
    """Whether a fault says that somebody else's change came in between."""
    if isinstance(fault, GONE):
        return True
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    ended = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
    return ended or postgres.state(cause) in STATES


def again(work: Callable[[], Result], forget: Callable[[], object] = lambda: None) -> Result:
    """Do some work, from its beginning once more whenever it met somebody else's; it commits at its end.

    `forget` drops what was read before, when the session has been emptied.
    """
    for _ in range(TRIES - 1):
        try:
            return work()
        except _faults() as fault:
            db.remove()
            if not met(fault):
                raise
            forget()
    return work()

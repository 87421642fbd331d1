"""One at a time, across processes and hosts, until the commit."""

from sqlalchemy import func, select, text

from latchkey.store.session import db, engines

# One number for whatever must not run twice at once.
MOVING = 4_205_116_373


def alone(number: int) -> None:
    """Begin to write in the session, once nobody else does under this number; what is read from here on stays so."""
    # Else reads go on in autocommit until something is written.
    db().info["writing"] = True
    db.execute(text("SELECT 1") if engines().embedded else select(func.pg_advisory_xact_lock(number)))

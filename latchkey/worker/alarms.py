"""Tells the owners of canaries that somebody tried one."""

from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from latchkey import notices, origin
from latchkey.origin import Actor, Doer, Origin
from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.tokens import canaries
from latchkey.tokens.canaries import Use


def sound() -> None:
    """Write what was tried, and the letters about it. Commits. What could not be written stays noted."""
    uses = canaries.taken()
    try:
        for use in uses:
            conflicts.again(partial(_tell, use))
    except SQLAlchemyError:
        db.rollback()
        canaries.give_back(uses)
        raise


def _tell(use: Use) -> None:
    mark = origin.current.set(Origin(use.address, use.agent, use.request_id, Actor(Doer.OTHER)))
    try:
        canary = canaries.used(use)
        if canary is not None:
            notices.canary_tried(canary.user, canary)
        db.commit()
    finally:
        origin.current.reset(mark)

"""How many sign-ins of one app are kept for a user: an app that goes on without being asked can make them for ever."""

from sqlalchemy import delete, select

from latchkey.grants.record import Grant
from latchkey.store.session import db

# Of one authorization; past it the oldest goes, with its tokens.
MOST = 100


def limit(begun: Grant) -> None:
    """Make room for the sign-in that has just begun; its authorization is locked."""
    newest = select(Grant.id).where(Grant.authorization_id == begun.authorization_id).order_by(Grant.id.desc())
    if too_many := list(db.scalars(newest.offset(MOST))):
        db.execute(delete(Grant).where(Grant.id.in_(too_many)).execution_options(synchronize_session=False))

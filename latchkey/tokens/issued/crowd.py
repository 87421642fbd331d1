"""How many sign-ins of one app are kept, which can make them for ever, and which of them give way."""

from sqlalchemy import and_, case, delete, exists, select

from latchkey import clock, endings
from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.tokens.record import Token

# Of one authorization.
MOST = 100


def make_room(begun: Grant) -> None:
    """Make room for the sign-in that has just begun; its authorization is locked.

    Those that are over give way first, then those that no app went on with: any site leads a browser here as often as
    it likes, and where nobody is asked a sign-in begins each time. Of the others the oldest, with its tokens.
    """
    mine = select(Grant.id).where(Grant.authorization_id == begun.authorization_id)
    if db.scalar(mine.order_by(Grant.id.desc()).offset(MOST).limit(1)) is None:
        return
    live = and_(Grant.ended_at.is_(None), Grant.expires_at > clock.now())
    worth = case((Grant.id == begun.id, 3), (~live, 0), (exists().where(Token.grant_id == Grant.id), 2), else_=1)
    too_many = list(db.scalars(mine.order_by(worth.desc(), Grant.id.desc()).offset(MOST)))
    endings.note(endings.Kind.GRANT, *too_many)
    db.execute(delete(Grant).where(Grant.id.in_(too_many)).execution_options(synchronize_session=False))

"""Sessions that rest on the upstream's word, and their end when it takes that back."""

from sqlalchemy import or_, select, update

from latchkey import clock
from latchkey.accounts.sessions import BrowserSession, Confirmed
from latchkey.accounts.steps import Step
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.store.session import affected, db


def confirm(session: BrowserSession, confirmed: Confirmed) -> None:
    """A session rests on it from now on."""
    session.identity_id, session.upstream_sid, session.confirmed_at = confirmed
    db.flush()


def bind_all(user: User, confirmed: Confirmed) -> None:
    """So do all sessions of a user that rested on none. The user is locked."""
    unbound = (BrowserSession.user_id == user.id, BrowserSession.confirmed_at.is_(None))
    values = {"identity_id": confirmed.identity_id, "confirmed_at": confirmed.at}
    db.execute(update(BrowserSession).where(*unbound).values(values))


def of(issuer: str, subject: str | None, sid: str | None) -> list[Identity]:
    """Whom a subject is here; without one, who was let in by a session of the upstream."""
    found = select(Identity).where(Identity.issuer == issuer).order_by(Identity.user_id)
    if subject is not None:
        return list(db.scalars(found.where(Identity.subject == subject)))
    let_in = (select(record.identity_id).where(record.upstream_sid == sid) for record in (BrowserSession, Step))
    return list(db.scalars(found.where(or_(*(Identity.id.in_(ids.scalar_subquery()) for ids in let_in)))))


def end(user: User, identity_id: str, *, sid: str | None = None, keep: BrowserSession | None = None) -> int:
    """End what rests on it for an identity, or for one session of theirs; how many. The user is locked."""
    resting = (
        BrowserSession.user_id == user.id,
        BrowserSession.identity_id == identity_id,
        BrowserSession.ended_at.is_(None),
    )
    statement = update(BrowserSession).where(*resting)
    if sid is not None:
        statement = statement.where(BrowserSession.upstream_sid == sid)
    if keep is not None:
        statement = statement.where(BrowserSession.id != keep.id)
    return affected(statement.values(ended_at=clock.now()))

"""Accounts whose address was never verified and whose maker never came back: removed after a week."""

from datetime import timedelta

from sqlalchemy import and_, delete, exists, select

from latchkey import clock, endings
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Authorization
from latchkey.journal.activity import Event, EventKind
from latchkey.journal.links import leave_gap
from latchkey.mail import outbox
from latchkey.store.session import db
from latchkey.tokens import Token

KEPT = timedelta(days=7)
AT_A_TIME = 100


def purge() -> bool:
    """Remove some of them; whether there may be more.

    Only what is left of a sign-up: an account that has anything, or was verified once, stays, and so does an
    administrator's, a suspended one, and one that somebody signed in to within the week.
    """
    week_ago = clock.now() - KEPT
    came_back = and_(Event.kind == EventKind.SIGNED_IN, Event.at > week_ago)
    kept = (
        exists().where(Client.owner_id == User.id),
        exists().where(Token.user_id == User.id),
        exists().where(Authorization.user_id == User.id),
        exists().where(Event.user_id == User.id, came_back | (Event.kind == EventKind.EMAIL_VERIFIED)),
    )
    abandoned = (
        User.email_verified_at.is_(None),
        User.created_at < week_ago,
        User.is_admin.is_(False),
        User.disabled_at.is_(None),
        *(~reason for reason in kept),
    )
    found = list(db.scalars(select(User.id).where(*abandoned).limit(AT_A_TIME)))
    if found:
        # Looked at again: somebody may have verified the address, or signed in, in between.
        gone = delete(User).where(User.id.in_(found), *abandoned).returning(User.id, User.email, User.created_at)
        removed = db.execute(gone.execution_options(synchronize_session=False)).all()
        endings.note(endings.Kind.USER, *(user_id for user_id, _, _ in removed))
        for user_id, email, created_at in removed:
            leave_gap(user_id)
            outbox.forget([email], since=created_at)
    return len(found) == AT_A_TIME

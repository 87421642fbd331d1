"""What waits for an administrator, and what they decided: both sides hear of it."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import func, select

from latchkey import clock
from latchkey.accounts.users import IS_ADMIN, User
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.mail import outbox
from latchkey.notices.wording import here, listed, unlinked
from latchkey.store.session import db

# However much one user asks for, and all of them together, an administrator is written to so often; the page lists all.
MOST_LETTERS, MOST_OF_ALL, WINDOW = 3, 10, timedelta(hours=1)
MOST_ADMINISTRATORS = 20


def approval_asked(owner: User, name: str, wanted: Iterable[str]) -> None:
    """Something of a user waits for an administrator; they all get a letter, within bounds.

    Past them one that goes out later, and is on its way still when this is asked: whoever fills the mailbox keeps
    nobody else's request from being told, if not by name.
    """
    asked, now = sorted(wanted), clock.now()
    recent = (Event.kind == EventKind.APPROVAL_ASKED, Event.at > now - WINDOW)
    by_owner = db.scalar(select(func.count()).where(Event.user_id == owner.id, *recent)) or 0
    activity.record(owner, EventKind.APPROVAL_ASKED, description=name, asked=asked)
    told, coming = outbox.lately("approval_asked", now - WINDOW), outbox.lately("approvals_wait", now)
    able = select(User.email).where(IS_ADMIN, User.disabled_at.is_(None), User.id != owner.id)
    for email in db.scalars(able.order_by(User.id).limit(MOST_ADMINISTRATORS)).all():
        if by_owner < MOST_LETTERS and told.get(email, 0) < MOST_OF_ALL:
            outbox.post(email, "approval_asked", name=unlinked(name), owner=unlinked(owner.name), scopes=listed(asked))
        elif email not in coming:
            outbox.post_at(now + WINDOW, email, "approvals_wait")


def approval_decided(owner: User, name: str, wanted: Iterable[str], *, approved: bool, path: str) -> None:
    """An administrator decided; the owner reads the reason."""
    asked = sorted(wanted)
    kind = EventKind.APPROVAL_GIVEN if approved else EventKind.APPROVAL_REFUSED
    activity.record(owner, kind, description=name, asked=asked)
    context = {"name": unlinked(name), "scopes": listed(asked), "approved": approved, "path": path}
    outbox.post(owner.email, "approval_decided", **context, **here())

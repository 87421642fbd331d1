"""Everything that acts for a user, stopped at once; and a user deleted."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import and_, or_, select

from latchkey import clients, grants, notices, tokens
from latchkey.accounts import links, sessions, steps, users
from latchkey.accounts.links import Purpose
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import IS_ADMIN, User
from latchkey.clients import Cause, Client
from latchkey.grants import Authorization, Grant
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.journal.links import leave_gap
from latchkey.mail import outbox
from latchkey.safety import shutdown
from latchkey.store.session import db
from latchkey.tokens import Token


class LastAdministrator(Exception):
    """Without this user nobody could administer the installation."""


class Ended(NamedTuple):
    """How many developer tokens were ended, and which of the user's own apps were suspended because of it."""

    tokens: int
    apps: list[Client]


def change_password(user: User, prepared: str, *, keep: BrowserSession | None = None, revoke: bool = False) -> None:
    """Another password, of which `users.prepare_password` made the hash: ends sessions and links that are out (L-06).

    `keep` is the session that goes on; `revoke` ends tokens and apps' access too. The user is locked.
    """
    users.store_password(user, prepared)
    sign_out(user, keep=keep)
    if revoke:
        revoke_everything(user)


def sign_out(user: User, *, keep: BrowserSession | None = None) -> int:
    """Sign a user out everywhere but in `keep`, and make links and sign-ins that are out worthless.

    No browser is known to the account any more. How many sessions ended. The user is locked.
    """
    users.outdate(user)
    steps.cancel(user)
    for purpose in (Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL):
        links.cancel(user, purpose)
    return sessions.end_all(user, keep=keep)


def end_session(user: User, session: BrowserSession) -> None:
    """Sign one browser out, and have none known to the account any more: which one that is nobody can tell.

    Whoever was in it with the password would come back without a letter. The user is locked.
    """
    users.outdate(user)
    sessions.end(session)
    notices.session_ended(user, session)


def revoke_everything(user: User, *, access: bool = True) -> Ended:
    """End every token of a user, and take back the access of every app unless that is left out, as if all had leaked.

    The user's own apps that were made or changed with one of them are suspended.
    """
    users.lock(user.id)
    suspects = tokens.traces.of_user(user, sign_ins=access)
    for authorization in grants.list_for(user) if access else ():
        if grants.withdraw(authorization):
            notices.authorization_withdrawn(user, authorization.client, by_user=True)
    count = tokens.revoke_all(user)
    notices.all_tokens_revoked(user, count)
    return Ended(count, shutdown.after_leak(suspects))


def suspend(user: User) -> list[Client] | None:
    """Suspend a user: what acts for them ends for good, their apps stop until they are back; the apps that stopped.

    None for one who is suspended already. Raises `LastAdministrator`.
    """
    _spare_last(user)
    if user.disabled_at is not None:
        return None
    users.disable(user)
    sessions.end_all(user)
    for purpose in Purpose:
        links.cancel(user, purpose)
    stopped = [client for client in clients.owned(user) if shutdown.suspend(client, Cause.OWNER)]
    for authorization in grants.list_for(user):
        grants.withdraw(authorization)
    tokens.revoke_all(user)
    notices.disabled(user)
    return stopped


def restore(user: User) -> list[Client] | None:
    """End a suspension: the user may sign in, their apps go on. What acted for them stays ended. None: no change.

    Raises `users.UserGone`.
    """
    if users.lock(user.id) is None:
        raise users.UserGone
    if user.disabled_at is None:
        return None
    users.enable(user)
    notices.enabled(user)
    return [client for client in clients.owned(user) if shutdown.restore(client, Cause.OWNER)]


def appoint(user: User, *, on: bool, even_last: bool = False) -> bool:
    """Make a user an administrator, or one no longer; whether that is new. Raises `LastAdministrator`."""
    if on or even_last:
        users.lock(user.id)
    else:
        _spare_last(user)
    if user.is_admin is on:
        return False
    user.is_admin = on
    db.flush()
    notices.appointed(user)
    return True


def delete(user: User) -> Iterator[int]:
    """Delete a user and all that is theirs, in parts; yields after each for the caller to commit.

    From the first part on they are no administrator: nobody else may then go for their sake, and leave them the last.
    Raises `LastAdministrator`.
    """
    _spare_last(user)
    user.is_admin = False
    db.flush()
    while apps := clients.owned(user):
        for client in apps:
            yield from shutdown.delete(client)
            yield 0
    _spare_last(user)
    _lock(user)
    outbox.forget(_addresses(user), since=user.created_at)
    notices.account_deleted(user)
    leave_gap(user.id)
    users.remove(user)


def _addresses(user: User) -> set[str]:
    """Where letters to this user went: now and, as far as events tell, before, unless it is somebody else's now."""
    changes = activity.list_for(user, kinds=(EventKind.EMAIL_CHANGED,), limit=100)
    before = {str(change.detail.get("old", "")) for change in changes} - {"", user.email}
    return {user.email, *(address for address in before if users.find_by_email(address) is None)}


def hold(user_id: str) -> Sequence[User]:
    """Lock a user and all administrators, in one order for everybody; who is there.

    Whoever is to act on another user begins with it: two administrators who act on each other lock the same rows.
    """
    able = and_(IS_ADMIN, User.disabled_at.is_(None))
    statement = select(User).where(or_(able, User.id == user_id)).order_by(User.id).with_for_update(key_share=True)
    return db.scalars(statement.execution_options(populate_existing=True)).all()


def _spare_last(user: User) -> None:
    """Lock a user who is to go. Raises `LastAdministrator`, and `users.UserGone` if they went already.

    Two that go at once wait for each other: each locks all administrators, and looks at what is stored then.
    """
    locked = hold(user.id)
    if [admin.id for admin in locked if admin.is_admin and admin.disabled_at is None] == [user.id]:
        raise LastAdministrator
    if user.id not in {other.id for other in locked}:
        raise users.UserGone


def _lock(user: User) -> None:
    """Take in the right order what the database's cascade will take in its own (conflicts)."""
    users.lock(user.id)
    for record in (Authorization, Grant, Token):
        db.execute(select(record.id).where(record.user_id == user.id).order_by(record.id).with_for_update())

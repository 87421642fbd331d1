"""Locking a user down: ending what acts for them, in one transaction, so that nothing slips through beside it."""

from latchkey import activity, grants, links, notices, sessions, tokens, users
from latchkey.activity import EventKind
from latchkey.links import Purpose
from latchkey.sessions import BrowserSession
from latchkey.users import User


def change_password(user: User, prepared: str, *, keep: BrowserSession | None = None, revoke: bool = False) -> None:
    """Another password, of which `users.prepare_password` made the hash: ends sessions and links that are out (L-06).

    `keep` is the session that goes on; `revoke` ends tokens and apps' access too. The user is locked.
    """
    users.store_password(user, prepared)
    sessions.end_all(user, keep=keep)
    for purpose in (Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL):
        links.cancel(user, purpose)
    if revoke:
        revoke_everything(user)


def revoke_everything(user: User) -> int:
    """End every token of a user and take back the access of every app; how many developer tokens were live."""
    users.lock(user.id)
    for authorization in grants.list_for(user):
        if grants.withdraw(authorization):
            notices.authorization_withdrawn(user, authorization.client, by_user=True)
    return revoke_tokens(user)


def revoke_tokens(user: User) -> int:
    """End every developer token of a user; how many were live."""
    users.lock(user.id)
    count = tokens.revoke_all(user)
    notices.all_tokens_revoked(user, count)
    return count


def suspend(user: User) -> None:
    """Suspend a user: sessions, links, tokens and authorizations end, and stay ended after the suspension (I-08)."""
    users.lock(user.id)
    users.disable(user)
    sessions.end_all(user)
    for purpose in Purpose:
        links.cancel(user, purpose)
    tokens.revoke_all(user)
    for authorization in grants.list_for(user):
        grants.withdraw(authorization)
    activity.record(user, EventKind.USER_DISABLED)

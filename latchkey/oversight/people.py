"""What an operator does to accounts: each verb, and the act that the other administrators see."""

from collections.abc import Iterator

from latchkey import notices
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.oversight import invitations
from latchkey.safety import lockdown, second_factor


def suspend(user: User) -> list[Client]:
    """Suspend a user; the apps that stopped. Of one who is suspended already, nothing. Raises `LastAdministrator`.

    Whom they invited comes in no more, also when they are back.
    """
    stopped = lockdown.suspend(user)
    if stopped is None:
        return []
    acts.record(ActKind.USER_SUSPENDED, user.id, user.email)
    for invitation in invitations.sent_by(user):
        invitations.take_back(invitation)
    return stopped


def restore(user: User) -> list[Client]:
    """End a suspension; the apps that go on. Of one who is not suspended, nothing."""
    going = lockdown.restore(user)
    if going is None:
        return []
    acts.record(ActKind.USER_RESTORED, user.id, user.email)
    return going


def delete(user: User) -> Iterator[int]:
    """Delete a user and all that is theirs, in parts for the caller to commit. Raises `LastAdministrator`."""
    user_id, email = user.id, user.email
    yield from lockdown.delete(user)
    acts.record(ActKind.USER_DELETED, user_id, email)


def appoint(user: User, *, on: bool) -> bool:
    """Make a user an administrator, or one no longer; whether that is new. Raises `LastAdministrator`."""
    if not lockdown.appoint(user, on=on):
        return False
    acts.record(ActKind.ADMINISTRATOR_MADE if on else ActKind.ADMINISTRATOR_UNMADE, user.id, user.email)
    return True


def sign_out(user: User) -> int:
    """End every session of a user, and what is out that opens one; how many sessions."""
    ended = lockdown.sign_out(user)
    notices.signed_out_everywhere(user, ended)
    acts.record(ActKind.USER_SIGNED_OUT, user.id, user.email)
    return ended


def reset_second_factor(user: User) -> bool:
    """Turn two-factor sign-in off for somebody who is locked out; whether it was on."""
    users.lock(user.id)
    was_on = second_factor.turn_off(user)
    if was_on:
        acts.record(ActKind.SECOND_FACTOR_RESET, user.id, user.email)
    return was_on

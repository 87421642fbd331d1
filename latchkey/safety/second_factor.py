"""Turning two-factor sign-in on and off: what it ends, and what its owner hears."""

from latchkey import notices
from latchkey.accounts import second_factors, sessions, steps
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User


def turn_on(user: User, key: str, typed: str, *, keep: BrowserSession) -> list[str] | None:
    """Take an authenticator app, and end the sessions that were opened without it; None if the code is not right.

    Answers the recovery codes that come with a first app. The user is locked.
    """
    first = second_factors.find(user) is None
    if not second_factors.set_up(user, key, typed):
        return None
    sessions.end_all(user, keep=keep)
    steps.cancel(user)
    notices.second_factor_on(user)
    return second_factors.make_codes(user) if first else []


def new_codes(user: User) -> list[str]:
    """Ten new recovery codes instead of those before. The user is locked."""
    codes = second_factors.make_codes(user)
    notices.recovery_codes_made(user)
    return codes


def turn_off(user: User) -> bool:
    """Let the password alone open sessions again; whether that is new. The user is locked."""
    if not second_factors.remove(user):
        return False
    steps.cancel(user)
    notices.second_factor_off(user)
    return True

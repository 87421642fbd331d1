"""Second factors: shown to get in or to prove who one is; set up and taken off, with what it ends. Each verb once."""

from collections.abc import Callable
from datetime import datetime

from latchkey import notices, origin
from latchkey.accounts import challenges, limits, passkeys, passwords, second_factors, sessions, steps, throttle, users
from latchkey.accounts.limits import Tries
from latchkey.accounts.passkeys import Answer, Passkey
from latchkey.accounts.sessions import BrowserSession, How
from latchkey.accounts.steps import Step
from latchkey.accounts.throttle import TooMany
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.safety import signin

# A code as it was typed, or what an authenticator answered.
Shown = str | Answer


def finish(plaintext: str, shown: Shown, device: str | None = None) -> tuple[BrowserSession, Tries] | None:
    """Open the session of a step; None after leaving a trace, if what was shown is not right.

    Each step hears five tries, and each code and challenge counts once. Raises `TooMany`, and `sessions.NotOpened` for
    a step that is over. `device` is a browser that signed in to this account before. Whoever calls commits in any case,
    and says then that the tries were right: what counts them writes by itself.
    """
    step = steps.find(plaintext)
    if step is None:
        raise sessions.NotOpened
    try:
        throttle.admit(limits.of_step(step.id))
    except TooMany:
        steps.over(plaintext)
        raise sessions.NotOpened from None
    tries = _count(step.user, shown, device)
    user = signin.held(step.user, step.epoch)
    if steps.find(plaintext) is None:
        raise sessions.NotOpened
    how = _accept(user, shown)
    if how is None:
        return None
    if step.confirmed is not None:
        how = How.UPSTREAM_STEP
    steps.over(plaintext)
    return signin.opened(user, how, used_at(shown), step.confirmed), limits.with_password(
        tries, user, network=origin.current.get().network, device=device
    )


def tries_left(step: Step) -> int:
    """How many tries a sign-in still hears."""
    return throttle.left(limits.of_step(step.id))


def enter_alone(answer: Answer, known: Callable[[User | None], str | None]) -> tuple[BrowserSession, Tries] | None:
    """Open a session by a passkey alone, which has looked at who its user is; None if it proves nothing.

    `known` names the browser, if it opened this account before. Raises `TooMany`. Whoever calls commits in any case,
    and says then that the tries were right.
    """
    passkey = passkeys.find(answer)
    owner = users.find(passkey.user_id) if passkey is not None else None
    whose = owner.id if owner is not None else ""
    tries = limits.passkey(whose, network=origin.current.get().network, device=known(owner))
    user = users.lock(passkey.user_id) if passkey is not None else None
    if user is None or user.disabled_at is not None:
        return None
    # After “I have been hacked” a passkey may be the thief's: alone it opens nothing until its owner chose a password.
    if user.needs_password or not _accept_passkey(user, answer, alone=True):
        return None
    return signin.opened(user, How.PASSKEY, used_at(answer)), tries


def show_again(here: BrowserSession, shown: Shown, device: str | None = None) -> Tries | None:
    """Take the second factor of somebody who is signed in; None after leaving a trace, if it is not right.

    Raises `TooMany`, `sessions.SessionEnded`. Whoever calls commits in any case, and says then that the tries were
    right.
    """
    tries = _count(here.user, shown, device)
    return tries if _accept(sessions.hold(here), shown) is not None else None


def used_at(shown: Shown) -> datetime | None:
    """When a passkey was used that was right just now, to the instant: a session that it proved is known by that."""
    passkey = passkeys.find(shown) if isinstance(shown, Answer) else None
    return passkey.last_used_at if passkey is not None else None


def _count(user: User, shown: Shown, device: str | None) -> Tries:
    network = origin.current.get().network
    if isinstance(shown, Answer):
        return limits.passkey(user.id, network=network, device=device)
    return limits.code(user, shown, network=network, device=device)


def _accept(user: User, shown: Shown) -> How | None:
    """What it was, used up by this; None after leaving a trace, if it is not right. The user is locked."""
    if isinstance(shown, Answer):
        return How.SECOND_PASSKEY if _accept_passkey(user, shown, alone=False) else None
    if not second_factors.spend(user, shown):
        notices.code_failed(user)
        return None
    if second_factors.from_app(shown):
        return How.CODE
    notices.recovery_code_used(user, second_factors.codes_left(user))
    return How.RECOVERY_CODE


def _accept_passkey(user: User, answer: Answer, *, alone: bool) -> bool:
    """Whether one of the user's passkeys signed a challenge that was not used before. The user is locked."""
    passkey = passkeys.find(answer)
    if passkey is None or passkey.user_id != user.id:
        return False
    try:
        counted = passkeys.check(passkey, answer, alone=alone)
    except passkeys.Refused:
        return False
    if not challenges.spend(answer.challenge):
        return False
    if passkeys.count(passkey, counted):
        return True
    notices.passkey_cloned(user, passkey)
    return False


def set_up_app(user: User, key: str, typed: str, *, keep: BrowserSession) -> list[str] | None:
    """Take an authenticator app; None if the code is not right.

    Answers the recovery codes that come with a first factor. The user is locked.
    """
    first = not second_factors.protects(user)
    if not second_factors.set_up(user, key, typed):
        return None
    notices.second_factor_on(user)
    return _begin(user, keep) if first else _only_here(user, keep)


def add_passkey(user: User, answer: Answer, name: str, *, keep: BrowserSession) -> list[str]:
    """Take a passkey; the recovery codes that come with a first factor. The user is locked.

    Raises `passkeys.Refused`, `passkeys.TooManyPasskeys`.
    """
    first = not second_factors.protects(user)
    passkey = passkeys.register(user, answer, name)
    if not challenges.spend(answer.challenge):
        raise passkeys.Refused
    notices.passkey_added(user, passkey)
    return _begin(user, keep) if first else []


def _begin(user: User, keep: BrowserSession) -> list[str]:
    """Sessions that a password alone opened end, and browsers that it let in are not known any more.

    `keep` goes on under a new id: it was opened so, too, and whoever copied its cookie does not.
    """
    users.outdate(user)
    _only_here(user, keep)
    sessions.renew(keep)
    return second_factors.make_codes(user)


def _only_here(user: User, keep: BrowserSession) -> list[str]:
    sessions.end_all(user, keep=keep)
    steps.cancel(user)
    return []


def new_codes(user: User) -> list[str]:
    """Ten new recovery codes instead of those before. The user is locked."""
    codes = second_factors.make_codes(user)
    notices.recovery_codes_made(user)
    return codes


def remove_app(user: User) -> None:
    """Take the authenticator app off. The user is locked."""
    if second_factors.remove_app(user):
        notices.authenticator_removed(user)
        _after_removal(user)


def remove_passkey(user: User, passkey: Passkey) -> None:
    """Take a passkey off. The user is locked. Raises `identities.LastWayIn`."""
    others = len(passkeys.list_for(user)) > 1 or identities.usable(user)
    if not others and not passwords.usable(user.password_hash):
        raise identities.LastWayIn
    if passkeys.remove(passkey):
        notices.passkey_removed(user, passkey)
        _after_removal(user)


def _after_removal(user: User) -> None:
    steps.cancel(user)
    if not second_factors.protects(user):
        second_factors.forget_codes(user)
        notices.second_factor_off(user)


def turn_off(user: User) -> bool:
    """Let the password alone open sessions again; whether that is new. The user is locked."""
    if not second_factors.protects(user):
        return False
    second_factors.remove_app(user)
    passkeys.remove_all(user)
    second_factors.forget_codes(user)
    steps.cancel(user)
    notices.second_factor_off(user)
    return True

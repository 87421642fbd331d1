"""Links that go by mail: counted, then mailed alike for everybody (L-04)."""

from collections.abc import Callable

from latchkey import notices, origin
from latchkey.accounts import limits, links, sessions, users
from latchkey.accounts.limits import Asker
from latchkey.accounts.links import Purpose
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.throttle import TooMany
from latchkey.accounts.users import User
from latchkey.ids import new_id

LOOK_THERE = "If there is an account for this address, look for the newest letter from here: its link may still work."


def ask(
    purpose: Purpose, email: str, address: Callable[[str], str], *, asker: Asker, next_path: str | None = None
) -> None:
    """Mail a link to the user of an address; for anybody else the same work is done and forgotten.

    `address` makes of a link's plaintext what stands in the letter. Raises `throttle.TooMany`.
    """
    try:
        anybody = limits.letter(purpose, email, asker)
    except TooMany as many:
        raise TooMany(many.wait, LOOK_THERE) from None
    user = users.find_by_email(email)
    wanted = user is not None and _wants(user, purpose) and (anybody or user.verified)
    with users.alike(user if wanted else None) as receiver:
        plaintext = links.issue(receiver, purpose, next_path=next_path)
        if purpose is Purpose.VERIFY_EMAIL:
            notices.verification_asked(receiver, address(plaintext))
        else:
            notices.password_reset_asked(receiver, address(plaintext))


def sign_up(name: str, email: str, password: str, address: Callable[[str], str], *, next_path: str | None) -> str:
    """Make an account and mail the link that proves its address, or tell whoever has the address already.

    Answers the account's id: one that nobody has, if none was made, so that the answers are alike. `password` was found
    good just now. Raises `throttle.TooMany`.
    """
    # Counted before anything is written, and whether somebody has the address or not.
    limits.letter(Purpose.VERIFY_EMAIL, email, Asker(origin.current.get().network), new=True)
    try:
        user = users.sign_up(name=name, email=email, password=password, judged=True)
    except users.EmailTaken:
        _tell_owner(email)
        return new_id("usr")
    notices.signed_up(user, address(links.issue(user, Purpose.VERIFY_EMAIL, next_path=next_path)))
    return user.id


def ask_for_change(here: BrowserSession, email: str, address: Callable[[str], str]) -> None:
    """Mail the link that takes a new address to it, and tell the present one.

    Nobody finds out who has an account: the answer and the letter to the present address are the same when somebody has
    the new one. Raises `throttle.TooMany`, `sessions.SessionEnded`.
    """
    limits.change_of_address(here.user)
    limits.letter(Purpose.CHANGE_EMAIL, email, Asker(origin.current.get().network, here.user_id), new=True)
    user = sessions.hold(here)
    owner = users.find_by_email(email)
    taken = owner is not None and owner.id != user.id
    plaintext = links.issue(user, Purpose.CHANGE_EMAIL, email=email)
    notices.email_change_asked(user, email, None if taken else address(plaintext))
    if taken:
        _tell_owner(email)


def change(user: User, plaintext: str) -> bool:
    """Take the new address that a link was mailed to; links that went to the one before are worthless now.

    Whether the link could be redeemed. The user is locked. Raises `users.EmailTaken`, with the link used up.
    """
    before, link = user.email, links.redeem(plaintext, Purpose.CHANGE_EMAIL)
    if link is None:
        return False
    users.verify_email(user, link.email)
    for purpose in (Purpose.RESET_PASSWORD, Purpose.VERIFY_EMAIL):
        links.cancel(user, purpose)
    notices.email_changed(user, before)
    return True


def _tell_owner(email: str) -> None:
    owner = users.find_by_email(email)
    if owner is not None:
        notices.address_taken(owner)


def _wants(user: User, purpose: Purpose) -> bool:
    return user.disabled_at is None and not (purpose is Purpose.VERIFY_EMAIL and user.verified)

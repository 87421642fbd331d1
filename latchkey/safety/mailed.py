"""Links asked for by mail: counted, then mailed alike for everybody (L-04)."""

from collections.abc import Callable

from latchkey import notices
from latchkey.accounts import limits, links, users
from latchkey.accounts.limits import Asker
from latchkey.accounts.links import Purpose
from latchkey.accounts.throttle import TooMany
from latchkey.accounts.users import User

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


def _wants(user: User, purpose: Purpose) -> bool:
    return user.disabled_at is None and not (purpose is Purpose.VERIFY_EMAIL and user.verified)

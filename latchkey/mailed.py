"""Links asked for by mail: counted, then mailed alike for everybody (L-04)."""

from collections.abc import Callable

from latchkey import activity, links, notices, throttle, users
from latchkey.links import Purpose
from latchkey.users import User


def ask(purpose: Purpose, email: str, address: Callable[[str], str], next_path: str | None = None) -> None:
    """Mail a link to the user of an address; for anybody else the same work is done and forgotten.

    `address` makes of a link's plaintext what stands in the letter. Raises `throttle.TooMany`.
    """
    count(email)
    user = users.find_by_email(email)
    with users.alike(user if user is not None and _wants(user, purpose) else None) as receiver:
        plaintext = links.issue(receiver, purpose, next_path=next_path)
        if purpose is Purpose.VERIFY_EMAIL:
            notices.verification_asked(receiver, address(plaintext))
        else:
            notices.password_reset_asked(receiver, address(plaintext))


def _wants(user: User, purpose: Purpose) -> bool:
    return user.disabled_at is None and not (purpose is Purpose.VERIFY_EMAIL and user.verified)


def count(email: str) -> None:
    """Count a letter to an address, by the address and by who asks. Raises `throttle.TooMany`."""
    counted = (f"letters:{users.key(email)}", f"letters-from:{activity.origin.get().network}")
    wait = max(throttle.hit(counted[0], *throttle.LETTERS), throttle.hit(counted[1], *throttle.PER_ADDRESS))
    if wait:
        raise throttle.TooMany(wait)

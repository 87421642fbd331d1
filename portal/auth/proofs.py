"""What a browser has to do with addresses that wait to be verified: that it signed up, that its button was pressed.

Both are proofs of this browser alone, in cookies under our signature, and count for a day from when they were given.
"""

from datetime import timedelta

from werkzeug.wrappers import Response

from latchkey import clock
from portal import cookies

SIGNED_UP = "signed-up"
PRESSED = "pressed"
KEPT = timedelta(hours=24)
MOST = 4


def _live(name: str) -> dict[str, int]:
    since = (clock.now() - KEPT).timestamp()
    return {str(proof): int(at) for proof, at in cookies.read(name, KEPT) or () if at > since}


def _add(response: Response, name: str, proof: str) -> None:
    others = {other: at for other, at in _live(name).items() if other != proof}
    kept = [(proof, int(clock.now().timestamp())), *others.items()][:MOST]
    cookies.write(response, name, kept, KEPT)


def remember_sign_up(response: Response, user_id: str) -> None:
    """This browser asked for the account."""
    _add(response, SIGNED_UP, user_id)


def signed_up(user_id: str) -> bool:
    """Whether this browser asked for the account, so that its password was chosen here."""
    return user_id in _live(SIGNED_UP)


def remember_press(response: Response, link_id: str) -> None:
    """The button of a mailed link was pressed here."""
    _add(response, PRESSED, link_id)


def pressed() -> list[str]:
    """The links whose button was pressed here, the latest first."""
    return list(_live(PRESSED))

"""Letters to people about what was done in their account."""

from datetime import timedelta

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.mail import outbox

# Of what somebody can do again and again; more letters would hide the others, and the activity has all of it.
MOST_TOLD, WITHIN = 20, timedelta(hours=1)


def tell(user: User, letter: str, **context: object) -> None:
    """Write to a user of what they may have done themselves.

    Not to an address that nobody has shown to be theirs: whoever signs up with a stranger's would have as many letters
    sent there as they like.
    """
    if user.verified:
        outbox.post(user.email, letter, **context)


def told_enough(user: User, kind: EventKind) -> bool:
    """Whether this was recorded more often lately than letters tell of."""
    latest = activity.latest(user, kind, MOST_TOLD + 1)
    return len(latest) > MOST_TOLD and latest[-1] > clock.now() - WITHIN

"""Letters that wait or failed, tried again by an operator; never what is in them."""

from collections.abc import Iterable

from sqlalchemy import update

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.mail import outbox
from latchkey.mail.outbox import Letter
from latchkey.store.session import affected

MOST = 100


def retry(letter_ids: Iterable[str]) -> int:
    """Have letters tried at once that wait for another attempt; how many. What was given up is gone."""
    chosen = list(letter_ids)[:MOST]
    waits = (Letter.id.in_(chosen), Letter.next_attempt_at.is_not(None), Letter.sealed.is_not(None))
    again = update(Letter).where(*waits).values(next_attempt_at=clock.now())
    count = affected(again.execution_options(synchronize_session=False))
    if count:
        acts.record(ActKind.LETTERS_RETRIED, "", f"{count}")
        outbox.wake()
    return count


def send_test(user: User) -> Letter:
    """A letter to an administrator, to see whether letters arrive."""
    return outbox.post(user.email, "test")

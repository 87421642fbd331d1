"""Letters: posted in the transaction of what they tell of, delivered after it, by as many processes as there are."""

import json
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import Flask, render_template
from sqlalchemy import ColumnElement, Index, String, Text, and_, case, delete, event, func, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from latchkey import clock, vault, watching
from latchkey.ids import new_id
from latchkey.mail import order, processes, transport
from latchkey.store.session import Base, RoutingSession, UtcDateTime, affected, db, some, stamp
from latchkey.store.sweeping import sweep

log = logging.getLogger("latchkey.outbox")

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
GIVE_UP = timedelta(days=3)
# Longer than any conversation with a mail server can take; after it, whoever claimed a letter on any host has died.
CLAIM = timedelta(minutes=10)
KEPT = timedelta(days=30)
# What goes to somebody whose account is gone.
LAST = "account_deleted"
LASTING = f"name = '{LAST}'"

# Called after a transaction that posted letters.
watchers: list[Callable[[], object]] = []


class Letter(Base):
    """A mail that waits, was sent or was given up. Its body is sealed, since links in it open things (E-02)."""

    __tablename__ = "letter"
    __table_args__ = (
        Index(None, "next_attempt_at"),
        Index(None, "created_at"),
        some("ix_letter_last", "id", where=LASTING),
        some("ix_letter_waiting", "id", where="next_attempt_at IS NOT NULL"),
        some("ix_letter_failed", "id", where="sent_at IS NULL AND last_error IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("ltr"))
    recipient: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200))
    # JSON with text and html; wiped when nothing more will be done with it.
    sealed: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    attempts: Mapped[int] = mapped_column(default=0)
    # None when it was sent or given up.
    next_attempt_at: Mapped[datetime | None] = mapped_column(default=stamp)
    claimed_until: Mapped[datetime | None]
    # Host and process that claimed it last.
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(200))


class Delivery(NamedTuple):
    """How many letters were sent, and how many attempts failed."""

    sent: int
    failed: int


class Standing(NamedTuple):
    """How many letters wait, since when the oldest, how many were given up lately, and what went wrong last."""

    waiting: int
    oldest_at: datetime | None
    given_up: int
    trouble: str | None


def configure(app: Flask) -> None:
    """Let this application deliver; by SMTP if a server is configured, else into the instance folder."""
    transport.configure(app)


def post(recipient: str, letter: str, **context: object) -> Letter:
    """Write templates/mail/<letter>/ to somebody, with this context, in the caller's transaction."""
    return post_at(clock.now(), recipient, letter, **context)


def post_at(due: datetime, recipient: str, letter: str, /, **context: object) -> Letter:
    """The same, for a moment that is to come: it counts as posted then."""
    subject = " ".join(render_template(f"mail/{letter}/subject.txt", **context).split())
    parts = {kind: render_template(f"mail/{letter}/body.{end}", subject=subject, **context) for kind, end in PARTS}
    sealed = vault.seal(json.dumps(parts))
    posted = Letter(
        recipient=recipient, name=letter, subject=subject[:200], sealed=sealed, created_at=due, next_attempt_at=due
    )
    db.add(posted)
    db.flush()
    wake()
    return posted


def wake() -> None:
    """Have this transaction's end tell whoever delivers that there is something to do."""
    db().info["posted"] = True


PARTS = (("text", "txt"), ("html", "html"))


@event.listens_for(RoutingSession, "after_transaction_end")
def _tell(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None and session.info.pop("posted", False):
        for tell in watchers:
            tell()


def lately(letter: str, since: datetime) -> dict[str, int]:
    """How many of these letters were posted since a moment, or are due later, to whom."""
    posted = select(Letter.recipient, func.count()).where(Letter.name == letter, Letter.created_at > since)
    return dict(db.execute(posted.group_by(Letter.recipient)).all())


def deliver(limit: int = 50, *, impatient: bool = False) -> Delivery:
    """Try each letter that is due once, at most so many; `impatient` tries those that wait for another attempt too.

    Commits, once a letter. Any number of processes may do it at the same time.
    """
    sent = failed = 0
    for letter_id in order.next_of(Letter, _free(clock.now(), impatient=impatient), limit):
        letter = _claim(letter_id, impatient=impatient)
        if letter is None:
            continue
        error = _carry(letter)
        _settle(letter, error)
        if error is None:
            sent += 1
            continue
        failed += 1
        if transport.away(error):
            # The mail server does not answer: the other letters would only wait for the same timeout.
            break
    return Delivery(sent, failed)


def recover(*, fresh: bool = False) -> None:
    """Give back what processes of this host claimed and died with, and commit. `fresh`: this one claims nothing yet."""
    held = and_(Letter.next_attempt_at.is_not(None), Letter.claimed_until > clock.now())
    claimants = db.scalars(select(Letter.claimed_by).where(held, Letter.claimed_by.is_not(None)).distinct()).all()
    gone = [name for name in claimants if name and (processes.died(name) or (fresh and name == processes.name()))]
    if gone:
        db.execute(
            update(Letter)
            .where(held, Letter.claimed_by.in_(gone))
            .values(claimed_until=None, next_attempt_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        db.commit()


def _free(now: datetime, *, impatient: bool) -> ColumnElement[bool]:
    again = and_(Letter.next_attempt_at.is_not(None), Letter.created_at <= now)
    due = again if impatient else Letter.next_attempt_at <= now
    return and_(due, or_(Letter.claimed_until.is_(None), Letter.claimed_until <= now))


def _claim(letter_id: str, *, impatient: bool) -> Letter | None:
    now = clock.now()
    ours = affected(
        update(Letter)
        .where(Letter.id == letter_id, _free(now, impatient=impatient))
        .values(claimed_until=now + CLAIM, claimed_by=processes.name(), attempts=Letter.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    db.commit()
    return db.get(Letter, letter_id, populate_existing=True) if ours == 1 else None


def _carry(letter: Letter) -> Exception | None:
    try:
        with watching.step("deliver letter", {"latchkey.letter": letter.name}):
            transport.carry(letter.id, letter.recipient, letter.subject, json.loads(vault.unseal(letter.sealed or "")))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one letter, the others must go out
        return error
    return None


def _settle(letter: Letter, error: Exception | None) -> None:
    now = clock.now()
    given_up = error is not None and now - letter.created_at >= GIVE_UP
    values: dict[str, object] = {"claimed_until": None, "last_error": transport.words(error) if error else None}
    if error is None or given_up:
        values |= {"next_attempt_at": None, "sealed": None, "sent_at": None if error else now}
    else:
        values["next_attempt_at"] = now + _pause(letter.attempts)
    # Only while the claim is still ours: whoever took it over since then has the last word.
    still_ours = (Letter.id == letter.id, Letter.claimed_until == letter.claimed_until)
    db.execute(update(Letter).where(*still_ours).values(values).execution_options(synchronize_session=False))
    db.commit()
    if error is not None:
        log.log(
            logging.ERROR if given_up else logging.WARNING,
            "letter %s (%s) %s after %d attempts: %s",
            letter.id,
            letter.name,
            "given up" if given_up else "delayed",
            letter.attempts,
            values["last_error"],
        )


def _pause(attempts: int) -> timedelta:
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 16)), LONGEST_PAUSE)


def standing() -> Standing:
    """What an operator should know about the outbox."""
    waiting_still = Letter.next_attempt_at.is_not(None)
    # Each is read along an index: these are few among all that were sent.
    oldest = func.min(case((Letter.created_at <= clock.now(), Letter.created_at)), type_=UtcDateTime)
    waits = select(func.count(), oldest).where(waiting_still)
    failed = (Letter.sent_at.is_(None), Letter.last_error.is_not(None))
    given_up = select(func.count(case((~waiting_still, 1)))).where(*failed)
    newest = select(Letter.last_error).where(*failed).order_by(Letter.id.desc()).limit(1)
    waiting, oldest_at = db.execute(waits).one()
    return Standing(waiting, oldest_at, db.scalar(given_up) or 0, db.scalar(newest))


def forget(recipients: Iterable[str], *, since: datetime) -> None:
    """Remove the letters to these addresses since a moment: whom they went to has no account any more.

    What was written before the account was made is about somebody else, such as an invitation.
    """
    gone = delete(Letter).where(Letter.recipient.in_(list(recipients)), Letter.created_at >= since)
    db.execute(gone.execution_options(synchronize_session=False))


def purge() -> bool:
    """Remove some letters that were sent or given up long ago, and at once the last ones of accounts that are gone.

    Whether there may be more.
    """
    done = Letter.next_attempt_at.is_(None)
    # Written exactly as in the partial index, or SQLite does not use it.
    return sweep(Letter, done, text(LASTING)) or sweep(Letter, done, Letter.created_at < clock.now() - KEPT)

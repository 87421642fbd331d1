"""In which order letters go out."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from latchkey import clock
from latchkey.store.session import db

if TYPE_CHECKING:
    from latchkey.mail.outbox import Letter

# Somebody sits before a page and waits for these; how many are asked for is bounded (`accounts.limits`).
AWAITED = ("verify_email", "reset_password", "email_change_link", "sign_in_address")
# Strangers from many networks can have more of these written than go out. So one in so many is another: it may be a
# warning, and they may be written to hold it up.
KEPT_FOR_OTHERS = 5
# What went to somebody within it was their turn.
LATELY = timedelta(hours=1)


def next_of(letter: "type[Letter]", due: ColumnElement[bool], limit: int) -> list[str]:
    """The ids of those that are due and come next, at most so many; those that somebody waits for come first."""
    rank = case((letter.name.in_(AWAITED), 0), else_=1).label("rank")
    longest = (rank, letter.next_attempt_at, letter.id)
    if len(db.scalars(select(letter.id).where(due).limit(limit + 1)).all()) <= limit:
        return list(db.scalars(select(letter.id).where(due).order_by(*longest).limit(limit)))
    awaited, others = (db.scalars(_by_turns(letter, and_(due, rank == each)).limit(limit)).all() for each in (0, 1))
    first = awaited[: limit - min(len(others), limit // KEPT_FOR_OTHERS)]
    return [*first, *others[: limit - len(first)]]


def _by_turns(letter: "type[Letter]", due: ColumnElement[bool]) -> Select[str]:
    """Where more wait than go out together, each recipient's first of lately, then each one's second.

    Whoever does something again and again has a letter of each: nobody else, who is to be warned, waits for all those.
    """
    turn = func.row_number().over(partition_by=letter.recipient, order_by=(letter.created_at, letter.id)).label("turn")
    told = select(letter.id, letter.next_attempt_at, turn, due.label("due"))
    lately = told.where(or_(due, letter.created_at > clock.now() - LATELY)).subquery()
    order = (lately.c.turn, lately.c.next_attempt_at, lately.c.id)
    return select(lately.c.id).where(lately.c.due).order_by(*order)

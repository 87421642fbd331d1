"""In which order letters go out."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Select, case, func, or_, select

from latchkey import clock
from latchkey.store.session import db

if TYPE_CHECKING:
    from latchkey.mail.outbox import Letter

# Somebody sits before a page and waits for these; how many are asked for is bounded (`accounts.limits`).
AWAITED = ("verify_email", "reset_password", "email_change_link", "sign_in_address")
# What went to somebody within it was their turn.
LATELY = timedelta(hours=1)


def next_of(letter: "type[Letter]", due: ColumnElement[bool], limit: int) -> list[str]:
    """The ids of those that are due and come next, at most so many; those that somebody waits for come first."""
    rank = case((letter.name.in_(AWAITED), 0), else_=1).label("rank")
    longest = (rank, letter.next_attempt_at, letter.id)
    found = list(db.scalars(select(letter.id).where(due).order_by(*longest).limit(limit + 1)))
    return found if len(found) <= limit else list(db.scalars(_by_turns(letter, due, rank).limit(limit)))


def _by_turns(letter: "type[Letter]", due: ColumnElement[bool], rank: ColumnElement[int]) -> Select[str]:
    """Where more wait than go out together, each recipient's first of lately, then each one's second.

    Whoever does something again and again has a letter of each: nobody else, who is to be warned, waits for all those.
    """
    turn = func.row_number().over(partition_by=letter.recipient, order_by=(letter.created_at, letter.id)).label("turn")
    told = select(letter.id, letter.next_attempt_at, rank, turn, due.label("due"))
    lately = told.where(or_(due, letter.created_at > clock.now() - LATELY)).subquery()
    order = (lately.c.rank, lately.c.turn, lately.c.next_attempt_at, lately.c.id)
    return select(lately.c.id).where(lately.c.due).order_by(*order)

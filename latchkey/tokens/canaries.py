"""Canary tokens: they look like any other, open nothing, and their owner is told when somebody tries one.

Whoever tries is answered as with any unknown token, in the same statements: the use is noted in memory and written by
the worker. It costs only calls with tokens that are not found.
"""

import threading
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ForeignKey, LargeBinary, String, bindparam, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from latchkey import clock, credentials, origin, settings, texts
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.ids import new_id
from latchkey.store.prepared import PreparedSelect
from latchkey.store.session import Base, affected, db, stamp

LONGEST_DESCRIPTION = 80
MOST = 50
TOLD_EVERY = timedelta(days=1)


class Canary(Base):
    """One canary: where it was put, and when it was tried last."""

    __tablename__ = "canary"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("cnr"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    last4: Mapped[str] = mapped_column(String(4))
    description: Mapped[str] = mapped_column(String(LONGEST_DESCRIPTION))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(String(45))
    last_used_agent: Mapped[str | None] = mapped_column(String(200))
    told_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()

    @property
    def hint(self) -> str:
        """What may be shown of it."""
        return f"{settings.current().token_prefix}_{Kind.DEVELOPER}_…{self.last4}"


class Use(NamedTuple):
    """Somebody tried one."""

    digest: bytes
    at: datetime
    address: str
    agent: str
    request_id: str


_pending: dict[bytes, Use] = {}
_guard = threading.Lock()
_known = PreparedSelect("Canary", select(Canary.id).where(Canary.digest == bindparam("digest")))


def make(user: User, description: str) -> tuple[Canary, str]:
    """A new canary and its plaintext, which exists only here. Raises `texts.BadText`, `QuotaReached`.

    The user is locked.
    """
    described = texts.line(description, LONGEST_DESCRIPTION)
    if db.scalars(select(func.count()).where(Canary.user_id == user.id)).one() >= MOST:
        raise QuotaReached(f"An account has at most {MOST} canaries. Remove one first.")
    plaintext = credentials.generate(Kind.DEVELOPER)
    made = Canary(user_id=user.id, digest=credentials.digest(plaintext), last4=plaintext[-4:], description=described)
    db.add(made)
    db.flush()
    return made, plaintext


def list_for(user: User) -> list[Canary]:
    """The canaries of a user, the newest first."""
    return list(db.scalars(select(Canary).where(Canary.user_id == user.id).order_by(Canary.id.desc())))


def get_for(user: User, canary_id: str) -> Canary | None:
    """A user's own canary."""
    return db.scalar(select(Canary).where(Canary.id == canary_id, Canary.user_id == user.id))


def remove(canary: Canary) -> None:
    """Forget a canary: whoever tries it now tells nobody."""
    db.delete(canary)
    db.flush()


def look(digest: bytes, address: str) -> None:
    """Note a try, if what was tried is a canary."""
    if _known.one(digest=digest) is None:
        return
    here = origin.current.get()
    with _guard:
        _pending[digest] = Use(digest, clock.now(), address, here.agent, here.request_id)


def taken() -> list[Use]:
    """The tries since the last time; whoever takes them writes them, or gives them back."""
    with _guard:
        uses = sorted(_pending.values())
        _pending.clear()
    return uses


def give_back(uses: list[Use]) -> None:
    """What could not be written stays noted."""
    with _guard:
        for use in uses:
            _pending.setdefault(use.digest, use)


def used(use: Use) -> Canary | None:
    """Write a try. The canary, if its owner is to be told: the first time, and then once a day."""
    tried = (Canary.digest == use.digest,)
    seen = {"last_used_at": use.at, "last_used_address": use.address, "last_used_agent": use.agent}
    due = or_(Canary.told_at.is_(None), Canary.told_at <= use.at - TOLD_EVERY)
    told = affected(update(Canary).where(*tried, due).values(told_at=use.at, **seen))
    if not told:
        db.execute(update(Canary).where(*tried).values(**seen))
        return None
    return db.scalar(select(Canary).where(*tried).execution_options(populate_existing=True))

"""Sign-ins that still owe the second factor: the password was right, and no session is open yet."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, LargeBinary, String, Text, delete, select
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from latchkey import clock, credentials
from latchkey.accounts.sessions import LONGEST_SID, Confirmed
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.store.session import Base, db, stamp
from latchkey.store.sweeping import sweep

LIFETIME = timedelta(minutes=10)
# Of one user; past it the oldest goes.
MOST = 100


class Step(Base):
    """One of them, of one user and one browser; it opens nothing by itself."""

    __tablename__ = "sign_in_step"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("stp"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    # The user's from when the password was looked at.
    epoch: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=stamp, index=True)
    # The upstream's word, if that came before it.
    identity_id: Mapped[str | None] = mapped_column(String(40))
    upstream_sid: Mapped[str | None] = mapped_column(String(LONGEST_SID))
    # The form that waits for this sign-in, sealed.
    kept: Mapped[str | None] = mapped_column(Text)

    user: Mapped[User] = relationship()

    # What the browser's cookie holds; known only in the request that made it.
    plaintext = ""

    @property
    def confirmed(self) -> Confirmed | None:
        """The upstream's word, for the session that comes of it."""
        return Confirmed(self.identity_id, self.upstream_sid, self.created_at) if self.identity_id else None


def begin(user: User, confirmed: Confirmed | None = None) -> Step:
    """Begin one; `.plaintext` is what the browser keeps. The user is locked."""
    plaintext = credentials.opaque()
    step = Step(digest=credentials.digest(plaintext), user=user, epoch=user.epoch)
    step.plaintext = plaintext
    if confirmed is not None:
        step.identity_id, step.upstream_sid, _ = confirmed
    db.add(step)
    db.flush()
    newest = select(Step.id).where(Step.user_id == user.id).order_by(Step.id.desc())
    if too_many := list(db.scalars(newest.offset(MOST))):
        db.execute(delete(Step).where(Step.id.in_(too_many)))
    return step


def find(plaintext: str) -> Step | None:
    """The one that a browser is in, while it counts, as stored now."""
    statement = select(Step).where(
        Step.digest == credentials.digest(plaintext), Step.created_at > clock.now() - LIFETIME
    )
    found = db.scalar(statement.options(joinedload(Step.user)).execution_options(populate_existing=True))
    return found if found is not None and found.epoch == found.user.epoch else None


def over(plaintext: str) -> None:
    """End the step of one browser."""
    db.execute(delete(Step).where(Step.digest == credentials.digest(plaintext)))


def cancel(user: User) -> None:
    """End the steps of a user in every browser."""
    db.execute(delete(Step).where(Step.user_id == user.id))


def purge() -> bool:
    """Remove some of those that are too old; whether there may be more."""
    return sweep(Step, Step.created_at < clock.now() - LIFETIME)

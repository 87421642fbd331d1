"""One-time links that go by mail: issued with a purpose, redeemed once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, String, select, update
from sqlalchemy.orm import Mapped, contains_eager, mapped_column, relationship

from latchkey import clock, credentials
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.store.session import Base, affected, db, stamp
from latchkey.store.sweeping import sweep


class Purpose(StrEnum):
    """What a link is for; a link for one thing opens nothing else."""

    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"
    RESET_PASSWORD = "reset_password"


LONGEST_NEXT = 4_000
LIFETIME = {
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.CHANGE_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(minutes=30),
}


class Link(Base):
    """A link that was mailed; only its digest is kept."""

    __tablename__ = "link"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("lnk"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    email: Mapped[str] = mapped_column(String(254))
    next_path: Mapped[str | None] = mapped_column(String(LONGEST_NEXT))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


def issue(user: User, purpose: Purpose, *, email: str | None = None, next_path: str | None = None) -> str:
    """A new link's plaintext; older ones for its purpose stop working. `next_path` is where it leads afterwards."""
    plaintext = credentials.opaque()
    users.lock(user.id)
    cancel(user, purpose)
    db.add(
        Link(
            digest=credentials.digest(plaintext),
            purpose=purpose,
            user=user,
            email=email or user.email,
            # Rather to Welcome than nowhere: as much as a state of full length needs fits.
            next_path=next_path if len(next_path or "") <= LONGEST_NEXT else None,
            expires_at=clock.now() + LIFETIME[purpose],
        )
    )
    db.flush()
    return plaintext


def cancel(user: User, purpose: Purpose) -> None:
    """Make the links that are out for a purpose worthless."""
    db.execute(
        update(Link)
        .where(Link.user_id == user.id, Link.purpose == purpose, Link.used_at.is_(None))
        .values(used_at=clock.now())
    )


def find(plaintext: str, purpose: Purpose) -> Link | None:
    """The link, even if it was used or has expired: whoever holds it may be told what became of it."""
    return db.scalar(select(Link).where(Link.digest == credentials.digest(plaintext), Link.purpose == purpose))


def peek(plaintext: str, purpose: Purpose) -> Link | None:
    """The link, if it could be redeemed now."""
    return db.scalar(
        select(Link)
        .join(Link.user)
        .options(contains_eager(Link.user))
        .where(
            Link.digest == credentials.digest(plaintext),
            Link.purpose == purpose,
            Link.used_at.is_(None),
            Link.expires_at > clock.now(),
            User.disabled_at.is_(None),
        )
    )


def among(ids: Sequence[str], purpose: Purpose) -> list[Link]:
    """Those of these links that could be redeemed now, for an address that their user still has; the latest first."""
    if not ids:
        return []
    live = (Link.id.in_(ids), Link.purpose == purpose, Link.used_at.is_(None), Link.expires_at > clock.now())
    same = select(Link).join(Link.user).options(contains_eager(Link.user)).where(*live, Link.email == User.email)
    return list(db.scalars(same.order_by(Link.id.desc())))


def waiting(user: User, purpose: Purpose) -> Link | None:
    """The link of a user that is out for a purpose and not used yet."""
    live = (Link.used_at.is_(None), Link.expires_at > clock.now())
    return db.scalar(select(Link).where(Link.user_id == user.id, Link.purpose == purpose, *live))


def redeem(plaintext: str, purpose: Purpose) -> Link | None:
    """Use a link up; None for all but the first caller. Its user is locked."""
    link = peek(plaintext, purpose)
    user = users.lock(link.user_id) if link is not None else None
    if link is None or user is None or user.disabled_at is not None:
        return None
    spent = affected(update(Link).where(Link.id == link.id, Link.used_at.is_(None)).values(used_at=clock.now()))
    return link if spent == 1 else None


def purge() -> bool:
    """Remove some links that have long expired; whether there may be more."""
    return sweep(Link, Link.expires_at < clock.now() - timedelta(days=7))

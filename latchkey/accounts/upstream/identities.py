"""Who a user is upstream: by issuer and subject, which stay, and never by an address, which is given to others."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint, delete, false, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, settings
from latchkey.accounts import emails
from latchkey.accounts.sessions import CONFIRMED, Confirmed
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.parsing.upstream import LONGEST_ISSUER
from latchkey.store.conflicts import Gone
from latchkey.store.session import Base, affected, db, stamp

LONGEST_SUBJECT = 255
# Of one user.
MOST = 5


class TooMany(Exception):
    """A user has as many identities as one may have."""


class LastWayIn(Exception):
    """Without it nobody could sign in to the account."""


class UpstreamFirst(Exception):
    """What was proved opens nothing by itself: the upstream has not said lately that the user is still theirs."""


class Identity(Base):
    """One of them. The address is what the upstream called it by last, for people to read."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("idn"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(LONGEST_ISSUER))
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    email: Mapped[str | None] = mapped_column(String(emails.LONGEST))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    # When the upstream last said that this is the user.
    confirmed_at: Mapped[datetime] = mapped_column(default=stamp)
    # What it said before this moment of its own clock counts no more: it has signed the user out.
    signed_out_at: Mapped[datetime | None]
    # Whether it is by a group of theirs that the user administers.
    administers: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def usable(self) -> bool:
        """Whether it is of the upstream that there is now."""
        return self.issuer == settings.current().oidc_issuer

    @property
    def lately(self) -> bool:
        """Whether the upstream has said lately that this is the user."""
        return self.confirmed_at > clock.now() - CONFIRMED


def find(issuer: str, subject: str) -> Identity | None:
    """Whoever a subject is here, as stored now."""
    statement = select(Identity).where(Identity.issuer == issuer, Identity.subject == subject)
    return db.scalar(statement.execution_options(populate_existing=True))


def get_for(user: User, identity_id: str) -> Identity | None:
    """An identity by its id, if it is this user's."""
    return db.scalar(select(Identity).where(Identity.id == identity_id, Identity.user_id == user.id))


def list_for(user: User) -> list[Identity]:
    """All of a user, the eldest first."""
    statement = select(Identity).where(Identity.user_id == user.id).order_by(Identity.id)
    return list(db.scalars(statement.execution_options(populate_existing=True)))


def usable(user: User) -> list[Identity]:
    """Those by which a user can sign in."""
    if settings.current().oidc_issuer is None:
        return []
    return [identity for identity in list_for(user) if identity.usable]


def add(user: User, issuer: str, subject: str, email: str | None) -> Identity:
    """Link a user, who is locked, to a subject. Raises `TooMany`, and `Gone` if somebody else just was."""
    if len(list_for(user)) >= MOST:
        raise TooMany
    identity = Identity(user_id=user.id, issuer=issuer, subject=subject, email=email)
    try:
        with db.begin_nested():
            db.add(identity)
    except IntegrityError:
        raise Gone from None
    return identity


def remove(identity: Identity) -> bool:
    """Unlink it; whether it was there."""
    return affected(delete(Identity).where(Identity.id == identity.id)) == 1


def administers(user: User) -> bool:
    """Whether a user administers now, in no session of theirs: by a group of theirs only while the upstream says so.

    Their sessions end with its word (`needed`); what their tokens and invitations do as an administrator's does, too.
    """
    by_group = [identity for identity in usable(user) if identity.administers] if user.is_admin else []
    return user.is_admin and (not by_group or any(identity.lately for identity in by_group))


def needed(user: User) -> Confirmed | None:
    """The upstream's word on which every session of a user rests, however it is opened; None if none is needed.

    Where passwords are off, the upstream says who is still there, also of those who have a passkey; and whoever
    administers by a group of theirs does so only while it says so. Raises `UpstreamFirst` when it is too long ago.
    """
    known = usable(user)
    resting = [identity for identity in known if identity.administers or settings.current().passwords == "off"]
    if not resting:
        return None
    latest = max(resting, key=lambda identity: identity.confirmed_at)
    if not latest.lately:
        raise UpstreamFirst
    return Confirmed(latest.id, None, latest.confirmed_at)

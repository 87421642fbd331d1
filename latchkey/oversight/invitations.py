"""People whom an operator invites: a letter with a link, by which they choose a name and a password."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, LargeBinary, Select, String, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from latchkey import clock, credentials, origin, settings
from latchkey.accounts import emails, passwords, users
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.ids import new_id
from latchkey.journal import activity, acts
from latchkey.journal.activity import EventKind
from latchkey.journal.acts import ActKind
from latchkey.mail import outbox
from latchkey.origin import Doer
from latchkey.store.conflicts import Gone
from latchkey.store.session import Base, affected, db, stamp
from latchkey.store.sweeping import sweep

LIFETIME = timedelta(days=7)
KEPT = timedelta(days=30)


class InvitationOver(Exception):
    """The invitation was used, taken back or has expired meanwhile."""


class Invitation(Base):
    """One person who was invited; only the link's digest is kept."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("inv"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    email: Mapped[str] = mapped_column(String(emails.LONGEST))
    email_key: Mapped[str] = mapped_column(String(emails.LONGEST), unique=True)
    as_admin: Mapped[bool]
    # None: invited by the command line. Invitations are deleted with the administrator who sent them.
    invited_by_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime]

    invited_by: Mapped[User | None] = relationship(lazy="joined")


def invite(email: str, *, admin: bool) -> Invitation:
    """Write to somebody; an earlier invitation of the address is replaced.

    Raises `emails.InvalidEmail`, and `users.EmailTaken` for whoever has an account already.
    """
    email = emails.address(email)
    plaintext, actor = credentials.opaque(), origin.current.get().actor
    invitation = _place_of(emails.key(email))
    # Looked for again under the lock: the earlier invitation may have been accepted meanwhile.
    if users.find_by_email(email) is not None:
        raise users.EmailTaken
    # It gets a new id: the list has the latest first, and a page that names the earlier one finds it gone.
    invitation.id, invitation.created_at = new_id("inv"), clock.now()
    invitation.digest, invitation.email, invitation.as_admin = credentials.digest(plaintext), email, admin
    invitation.invited_by_id = actor.id if actor.doer is Doer.ADMINISTRATOR else None
    invitation.expires_at = clock.now() + LIFETIME
    _write(invitation)
    outbox.post(
        email,
        "invitation",
        link=f"{settings.current().base_url}/invitation/{plaintext}",
        admin=admin,
        days=LIFETIME.days,
    )
    acts.record(ActKind.USER_INVITED, invitation.id, email)
    return invitation


def _place_of(email_key: str) -> Invitation:
    """The earlier invitation of an address, locked, or one to be added: those who invite at once take turns."""
    earlier = select(Invitation).where(Invitation.email_key == email_key).with_for_update(of=Invitation)
    return db.scalar(earlier.execution_options(populate_existing=True)) or Invitation(email_key=email_key)


def _write(invitation: Invitation) -> None:
    try:
        with db.begin_nested():
            db.add(invitation)
    except IntegrityError:
        # Somebody else invited the address at this moment: look again.
        raise Gone from None


def find(plaintext: str) -> Invitation | None:
    """The invitation of a link, if it can be accepted now."""
    return db.scalar(_open().where(Invitation.digest == credentials.digest(plaintext)))


def waiting(email: str) -> Invitation | None:
    """The invitation of an address, if it can be accepted now."""
    return db.scalar(_open().where(Invitation.email_key == emails.key(email)))


def _open() -> Select[Invitation]:
    return select(Invitation).where(Invitation.expires_at > clock.now())


def page(*, before: str | None = None, limit: int = 50) -> list[Invitation]:
    """Those that wait or expired lately, the newest first."""
    statement = select(Invitation)
    if before is not None:
        statement = statement.where(Invitation.id < before)
    return list(db.scalars(statement.order_by(Invitation.id.desc()).limit(limit)))


def get(invitation_id: str) -> Invitation | None:
    """The invitation of an id."""
    return db.get(Invitation, invitation_id)


def take_back(invitation: Invitation) -> bool:
    """Make a link worthless; whether it was still there."""
    if not affected(delete(Invitation).where(Invitation.id == invitation.id)):
        return False
    acts.record(ActKind.INVITATION_TAKEN_BACK, invitation.id, invitation.email)
    return True


def sent_by(user: User) -> list[Invitation]:
    """Those that a user sent and that nobody has accepted yet."""
    return list(db.scalars(_open().where(Invitation.invited_by_id == user.id).order_by(Invitation.id)))


def accept(invitation: Invitation, *, name: str, password: str | None) -> User:
    """The account of somebody who was invited, whose address the link has proved. Once.

    It counts only while whoever invited is an administrator still, or was the command line; one that makes another
    administrator, while whoever invited could do so themselves. Raises `InvitationOver`,
    `users.EmailTaken`, `texts.BadText`, `WeakPassword`, `TooMany`.
    """
    email, hashed = invitation.email, passwords.NONE
    if password is not None:
        hashed = passwords.prepare(password, known=(email, name), whose=invitation.id)
    inviter = users.lock(invitation.invited_by_id) if invitation.invited_by_id else None
    if not affected(delete(Invitation).where(Invitation.id == invitation.id, Invitation.expires_at > clock.now())):
        raise InvitationOver
    if invitation.invited_by_id is not None and not _stands(invitation, inviter):
        raise InvitationOver
    user = users.sign_up(email=email, name=name, password=None, verified=True, admin=invitation.as_admin)
    user.password_hash = hashed
    activity.record(user, EventKind.SIGNED_UP)
    return user


def _stands(invitation: Invitation, inviter: User | None) -> bool:
    if inviter is None or inviter.disabled_at is not None:
        return False
    return identities.administers(inviter) if invitation.as_admin else inviter.is_admin


def purge() -> bool:
    """Remove some of what expired long ago; whether there may be more."""
    return sweep(Invitation, Invitation.expires_at < clock.now() - KEPT)

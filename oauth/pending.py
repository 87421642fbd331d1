"""The validated request of an app, frozen while its user decides (B-13)."""

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from latchkey import clock, credentials, settings
from latchkey.clients import Client
from latchkey.db import Base, affected, db, stamp
from latchkey.ids import new_id
from latchkey.sessions import BrowserSession

LIFETIME = timedelta(minutes=10)


class PendingConsent(Base):
    """One question to a user; its handle works once, in the browser session that it was asked in."""

    __tablename__ = "pending_consent"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("pnd"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("browser_session.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    parameters: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    decided_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship(lazy="joined", innerjoin=True)


def freeze(client: Client, parameters: dict[str, str], session: BrowserSession) -> str:
    """Keep a validated request for ten minutes; the handle for the form. Of too many in a session the oldest go."""
    handle, now = credentials.opaque(), clock.now()
    # From here on two questions in one session go one after the other.
    db.execute(select(BrowserSession.id).where(BrowserSession.id == session.id).with_for_update())
    db.add(
        PendingConsent(
            digest=credentials.digest(handle),
            session_id=session.id,
            user_id=session.user_id,
            client_id=client.id,
            parameters=parameters,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    db.flush()
    _keep_newest(session)
    return handle


def _keep_newest(session: BrowserSession) -> None:
    asked = select(PendingConsent.id).where(PendingConsent.session_id == session.id).order_by(PendingConsent.id.desc())
    too_many = list(db.scalars(asked.offset(settings.current().quota_pending)))
    if too_many:
        db.execute(delete(PendingConsent).where(PendingConsent.id.in_(too_many)))


def take(handle: str, session: BrowserSession) -> PendingConsent | None:
    """Use a handle up; None when it is unknown, used, too old, or another session's or user's."""
    pending = db.scalar(
        select(PendingConsent).where(
            PendingConsent.digest == credentials.digest(handle),
            PendingConsent.session_id == session.id,
            PendingConsent.user_id == session.user_id,
        )
    )
    if pending is None:
        return None
    now = clock.now()
    statement = update(PendingConsent).where(
        PendingConsent.id == pending.id, PendingConsent.decided_at.is_(None), PendingConsent.expires_at > now
    )
    return pending if affected(statement.values(decided_at=now)) == 1 else None


def purge() -> None:
    """Remove questions that nobody can answer any more."""
    db.execute(delete(PendingConsent).where(PendingConsent.expires_at < clock.now()))

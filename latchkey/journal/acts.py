"""What operators did: to whom or what, why, and which of them. Survives the account or app that it was done to."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import clock, origin
from latchkey.ids import new_id
from latchkey.store.session import Base, db, stamp
from latchkey.store.sweeping import sweep

KEPT = timedelta(days=400)
LONGEST_TARGET = 320
LONGEST_REASON = 500


class ActKind(StrEnum):
    """What was done; the part before the dot is what it was done to."""

    USER_INVITED = "user.invited"
    INVITATION_TAKEN_BACK = "user.invitation_taken_back"
    USER_SUSPENDED = "user.suspended"
    USER_RESTORED = "user.restored"
    USER_DELETED = "user.deleted"
    USER_SIGNED_OUT = "user.signed_out"
    ADMINISTRATOR_MADE = "user.administrator_made"
    ADMINISTRATOR_UNMADE = "user.administrator_unmade"
    SECOND_FACTOR_RESET = "user.second_factor_reset"
    APP_SUSPENDED = "app.suspended"
    APP_RESTORED = "app.restored"
    APP_DELETED = "app.deleted"
    APP_TRUSTED = "app.trusted"
    APP_DISTRUSTED = "app.distrusted"
    APP_MARKED = "app.marked"
    APP_UNMARKED = "app.unmarked"
    APP_SECRET_ROTATED = "app.secret_rotated"
    APP_KEYS_CHANGED = "app.keys_changed"
    APP_PINNED = "app.pinned"
    APP_UNPINNED = "app.unpinned"
    TOKEN_REVOKED = "token.revoked"
    AUTHORIZATION_WITHDRAWN = "authorization.withdrawn"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_REFUSED = "approval.refused"
    CREDENTIAL_FOUND = "credential.found"
    LETTERS_RETRIED = "mail.retried"
    POLICIES_CHANGED = "policies.changed"
    IMPORTED = "installation.imported"


class Act(Base):
    """One thing that an operator did. Names as they were then; never a credential."""

    __tablename__ = "act"
    __table_args__ = (Index(None, "at"), Index(None, "target_id"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("act"))
    kind: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(default=stamp)
    doer: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[str] = mapped_column(String(40))
    actor_name: Mapped[str] = mapped_column(String(80))
    target_id: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(LONGEST_TARGET))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    address: Mapped[str] = mapped_column(String(45))
    agent: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str] = mapped_column(String(32))


def record(kind: ActKind, target_id: str, target: str) -> Act:
    """Keep what an operator does now; who it is and why, `origin` says."""
    here = origin.current.get()
    act = Act(
        kind=kind,
        doer=here.actor.doer,
        actor_id=here.actor.id,
        actor_name=here.actor.name,
        target_id=target_id,
        target=target[:LONGEST_TARGET],
        reason=here.actor.reason,
        address=here.address,
        agent=here.agent,
        request_id=here.request_id,
    )
    db.add(act)
    db.flush()
    return act


def page(*, target_id: str | None = None, before: str | None = None, limit: int = 50) -> list[Act]:
    """What operators did, the newest first; of one user or app only, if it is named."""
    statement = select(Act)
    if target_id is not None:
        statement = statement.where(Act.target_id == target_id)
    if before is not None:
        statement = statement.where(Act.id < before)
    return list(db.scalars(statement.order_by(Act.id.desc()).limit(limit)))


def purge() -> bool:
    """Remove some of what is older than anybody asks for; whether there may be more."""
    return sweep(Act, Act.at < clock.now() - KEPT)

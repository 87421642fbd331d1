"""How a user answers a device: the first to type its code owns it and answers once."""

from sqlalchemy import ColumnElement, or_, select, update

from latchkey import clock, credentials, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import Client
from latchkey.store.session import affected, db
from latchkey.tokens.issued.device_codes import AFTER_DECISION, DeviceCode, Question


def _open() -> tuple[ColumnElement[bool], ...]:
    return DeviceCode.decided_at.is_(None), DeviceCode.expires_at > clock.now()


def look(user_code: str) -> DeviceCode | None:
    """The device that waits under this user code, as it stands now."""
    statement = select(DeviceCode).where(DeviceCode.user_code == user_code, *_open())
    return db.scalar(statement.execution_options(populate_existing=True))


def over(code: DeviceCode, client: Client | None) -> bool:
    """Whether a code is void: its app is gone, was suspended since, or may not use the device flow now."""
    if client is None or client.suspended_at is not None or not client.device_flow:
        return True
    return client.last_suspended_at is not None and client.last_suspended_at >= code.created_at


def claim(code: DeviceCode, here: BrowserSession, question: Question) -> bool:
    """Bind a code to whoever typed it; False when somebody else was first (RFC 8628 §5.4)."""
    free = or_(DeviceCode.user_id.is_(None), DeviceCode.user_id == here.user_id)
    taken = update(DeviceCode).where(DeviceCode.id == code.id, free, *_open())
    values = {
        "user_id": here.user_id,
        "session_id": here.id,
        "handle": credentials.digest(question.handle),
        "shown_scope": question.scope,
        "optional_scope": question.optional_scope,
        "version": question.version,
    }
    return affected(taken.values(values).execution_options(synchronize_session=False)) == 1


def asked(handle: str, here: BrowserSession) -> DeviceCode | None:
    """The code of a question, if it was asked in this session, also when it was answered."""
    mine = DeviceCode.handle == credentials.digest(handle), DeviceCode.user_id == here.user_id
    statement = select(DeviceCode).where(*mine, DeviceCode.session_id == here.id)
    return db.scalar(statement.execution_options(populate_existing=True))


def decide(code: DeviceCode, decision: str, grant_id: str | None = None) -> bool:
    """Answer a device; False when it was answered or had expired meanwhile."""
    now = clock.now()
    still = update(DeviceCode).where(DeviceCode.id == code.id, DeviceCode.handle == code.handle, *_open())
    until = max(code.expires_at, now + AFTER_DECISION)
    values = {"decision": decision, "decided_at": now, "grant_id": grant_id, "expires_at": until}
    return affected(still.values(values).execution_options(synchronize_session=False)) == 1


def release(code: DeviceCode) -> None:
    """Release a code, since its user is somebody else than was signed in."""
    still = update(DeviceCode).where(DeviceCode.id == code.id, DeviceCode.handle == code.handle, *_open())
    values = {"user_id": None, "session_id": None, "handle": None}
    db.execute(still.values(values).execution_options(synchronize_session=False))


def left(code: DeviceCode, allowed: frozenset[str]) -> frozenset[str]:
    """The scopes among those shown that the app may still have."""
    return scopes.held(code.shown_scope) & allowed


def end(digest: bytes) -> DeviceCode | None:
    """End a device code that somebody found where it does not belong; the code, if it was still good for something."""
    live = update(DeviceCode).where(
        DeviceCode.digest == digest, DeviceCode.consumed_at.is_(None), DeviceCode.expires_at > clock.now()
    )
    ended = affected(live.values(expires_at=clock.now()).execution_options(synchronize_session=False)) == 1
    return db.scalar(select(DeviceCode).where(DeviceCode.digest == digest)) if ended else None

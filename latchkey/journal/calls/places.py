"""The addresses and programs that developer tokens are used from, the latest few of each token."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, ForeignKey, String, bindparam, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey.journal.calls.adding import Adding
from latchkey.journal.calls.entries import Entry
from latchkey.store.session import Base

MOST_PLACES = 20
# A place is written at most once a minute, like last uses.
NOTED_EVERY = timedelta(minutes=1)
MOST_REMEMBERED = 20_000


class CallPlace(Base):
    """From where a developer token was used, by which program. An app's are its users' own, so they are not kept."""

    __tablename__ = "call_place"

    token_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    address: Mapped[str] = mapped_column(String(45), primary_key=True)
    agent: Mapped[str] = mapped_column(String(200), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)


class _Stay(NamedTuple):
    """The rest of the row: whose token it is, and when it was first and last used there."""

    user_id: str
    first_at: datetime
    last_at: datetime


# From where a token was used: its id, the address and the agent.
Place: TypeAlias = tuple[str, str, str]

# The places that this process has written and when, and how many of each token.
_written: dict[Place, datetime] = {}
_of_token: Counter[str] = Counter()


def write(connection: Connection, calls: Iterable[tuple[Entry, int, datetime]]) -> dict[Place, datetime]:
    """Write the places of these calls, if they are new or were last written a minute ago. The users are locked.

    Returns what to `remember` once that is committed.
    """
    due: dict[Place, _Stay] = {}
    for (app, token, user, _, _, _, _, address, agent), _, at in calls:
        if app is not None or not address:
            continue
        place = str(token), address, agent
        lately = _written.get(place)
        if lately is None or at - lately >= NOTED_EVERY:
            _, first, last = due.get(place, (None, at, at))
            due[place] = _Stay(str(user), min(at, first), max(at, last))
    kept = _latest(due)
    _add(connection, [(*place, *due[place]) for place in kept])
    # A token of which this process has written only one place, which is not new, cannot have got too many by this.
    crowded = {place[0] for place in kept if place not in _written or _of_token[place[0]] > 1}
    if crowded:
        connection.execute(_crowd_out, [{"of_token": token_id} for token_id in sorted(crowded)])
    return {place: due[place].last_at for place in kept}


def _latest(due: dict[Place, _Stay]) -> list[Place]:
    """The latest `MOST_PLACES` of each token, sorted; further ones are not written at all."""
    newest: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(due, key=lambda one: due[one].last_at, reverse=True):
        if len(newest[place[0]]) < MOST_PLACES:
            newest[place[0]].append(place)
    return sorted(place for places in newest.values() for place in places)


def remember(written: dict[Place, datetime]) -> None:
    """Remember what was written, once it is committed."""
    if len(_written) >= MOST_REMEMBERED:
        forget()
    _of_token.update(place[0] for place in written if place not in _written)
    _written.update(written)


def forget() -> None:
    """Forget what this process has written."""
    _written.clear()
    _of_token.clear()


_add = Adding(CallPlace)
_oldest_kept = (
    select(CallPlace.last_at)
    .where(CallPlace.token_id == bindparam("of_token"))
    .order_by(CallPlace.last_at.desc())
    .offset(MOST_PLACES - 1)
    .limit(1)
    .scalar_subquery()
)
_crowd_out = delete(CallPlace).where(CallPlace.token_id == bindparam("of_token"), CallPlace.last_at < _oldest_kept)

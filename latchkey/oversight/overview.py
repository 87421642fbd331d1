"""What an administrator sees first: what needs attention, the worst first, then figures."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from latchkey import clients, clock, ids, settings
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Authorization
from latchkey.journal.activity import Event, EventKind
from latchkey.journal.refusals import Refusal
from latchkey.mail import outbox
from latchkey.mail.outbox import Letter
from latchkey.oversight import approval, doctor
from latchkey.oversight.doctor import Result
from latchkey.oversight.listing import missed_soon
from latchkey.store.session import Base, db
from latchkey.tokens import Token
from latchkey.tokens.indexes import DEVELOPER

GUESSES = (EventKind.SIGN_IN_FAILED, EventKind.SIGN_IN_THROTTLED, EventKind.CODE_FAILED)
# Fewer failures within an hour are people who mistype.
MANY_GUESSES = 30
MANY_REFUSALS = 100
MOST_APPS = 5
WEEK = timedelta(days=7)


class Guessing(NamedTuple):
    """Wrong passwords and codes of the last hour, as far as they are told, at how many accounts and from where."""

    number: int
    accounts: int
    addresses: int


class RefusedApp(NamedTuple):
    """An app that is refused again and again today."""

    client: Client
    number: int
    reason: str


class Attention(NamedTuple):
    """What needs somebody; what is empty or zero does not."""

    waiting: int
    failing: int
    trouble: str | None
    guessing: Guessing | None
    refused: list[RefusedApp]
    ending: int
    findings: list[Result]


class Figures(NamedTuple):
    """How much of everything there is, and how much of it is new this week."""

    users: int
    new_users: int
    tokens: int
    never_used: int
    apps: int
    suspended_apps: int
    authorizations: int
    new_authorizations: int


def attention() -> Attention:
    """What needs somebody now."""
    # No older ones are kept.
    failing = db.scalar(select(func.count()).where(Letter.sent_at.is_(None), Letter.last_error.is_not(None)))
    trouble = outbox.standing().trouble if failing else None
    ending = db.scalar(select(func.count()).select_from(Token).where(missed_soon())) or 0
    return Attention(approval.count(), failing or 0, trouble, _guessing(), _refused(), ending, findings())


def _guessing() -> Guessing | None:
    lately = (Event.at > clock.now() - timedelta(hours=1), Event.kind.in_(GUESSES))
    counts = select(func.count(), func.count(Event.user_id.distinct()), func.count(Event.address.distinct()))
    found = Guessing(*db.execute(counts.where(*lately)).one())
    return found if found.number >= MANY_GUESSES else None


def _refused() -> list[RefusedApp]:
    today = (Refusal.at > clock.now() - timedelta(days=1), Refusal.client_id.is_not(None))
    # One row stands for all calls of a day that were alike.
    times = func.sum(Refusal.times)
    many = select(Refusal.client_id, times).where(*today).group_by(Refusal.client_id)
    many = many.having(times >= MANY_REFUSALS).order_by(times.desc()).limit(MOST_APPS)
    found = []
    for client_id, count in db.execute(many).all():
        latest = select(Refusal).where(*today, Refusal.client_id == client_id).order_by(Refusal.at.desc()).limit(1)
        client, refusal = clients.find(client_id or ""), db.scalar(latest)
        if client is not None and refusal is not None:
            found.append(RefusedApp(client, int(count), refusal.reason))
    return found


def findings() -> list[Result]:
    """What `latchkey doctor` finds too, as far as a page can wait for it."""
    found = [result for result in doctor.examine(doctor.QUICK) if result.ok is False]
    if warning := settings.current().warnings.get("mail"):
        found.append(Result("mail", ok=False, detail=warning))
    return found


def figures() -> Figures:
    """How much there is."""
    now = clock.now()
    active = and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > now))
    held = select(func.count(), func.count().filter(Token.last_used_at.is_(None))).where(
        DEVELOPER, Token.successor_id.is_(None), active
    )
    tokens, never_used = db.execute(held).one()
    # Not `standing()`, which no index holds. Who allows an app again does so anew, by the row that there was.
    given, lately = Authorization.withdrawn_at.is_(None), now - WEEK
    return Figures(
        users=_count(User),
        # Ids tell where to begin: who moved in from elsewhere may be older than theirs.
        new_users=_count(User, User.id >= ids.first("usr", lately), User.created_at > lately),
        tokens=tokens,
        never_used=never_used,
        apps=_count(Client),
        suspended_apps=_count(Client, Client.suspended_at.is_not(None)),
        authorizations=_count(Authorization, given),
        new_authorizations=_count(Authorization, given, Authorization.created_at > lately),
    )


def _count(record: type[Base], *conditions: ColumnElement[bool]) -> int:
    return db.scalars(select(func.count()).select_from(record).where(*conditions)).one()

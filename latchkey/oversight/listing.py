"""Lists over everybody for `/admin`: searched, filtered, sorted, and read page by page from where the last one ended.

A page costs the same however many rows there are: it begins at an index, and a search looks at a bounded number of
rows, the newest. A cursor is the id of the last row that was shown.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, TextClause, and_, func, or_, select, text, union
from sqlalchemy.orm import InstrumentedAttribute, joinedload, selectinload

from latchkey import clock, ids
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.second_factors import Authenticator
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import IS_ADMIN, User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Authorization
from latchkey.journal.activity import Event
from latchkey.mail.outbox import Letter
from latchkey.store.search import mentions
from latchkey.store.session import Base, db
from latchkey.tokens import Token
from latchkey.tokens.indexes import DEVELOPER

PAGE = 50
# A search looks at so many rows at most, however few it finds: reading them takes a tenth of a second.
LOOKED_AT = 100_000
SOON, USED_LATELY = timedelta(days=7), timedelta(days=30)

USERS = ("all", "administrators", "suspended", "unverified")
APPS = ("all", "suspended", "trusted", "resource-servers")
TOKENS = ("active", "ending", "ended")
LETTERS = ("failed", "waiting", "sent")


class Page(NamedTuple):
    """Some rows, and the cursor of the next page if there is one."""

    rows: list[Any]
    next_cursor: str | None


def _page(statement: Select[Any], record: type[Base], cursor: str | None, limit: int = PAGE) -> Page:
    """The next rows, the newest first."""
    key = record.__table__.c.id
    if cursor:
        statement = statement.where(key < cursor)
    return _cut(statement.order_by(key.desc()), limit)


def _cut(statement: Select[Any], limit: int) -> Page:
    found = list(db.scalars(statement.limit(limit + 1)))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _newest(record: type[Base], *conditions: TextClause) -> ColumnElement[bool]:
    """The rows that a search looks at: those from where the bound is on, along an index."""
    key = record.__table__.c.id
    bound = select(key).where(*conditions).order_by(key.desc()).offset(LOOKED_AT).limit(1)
    return key >= func.coalesce(bound.scalar_subquery(), "")


def _holds(search: str, columns: Iterable[InstrumentedAttribute[Any]]) -> ColumnElement[bool]:
    """Each word stands somewhere."""
    columns = list(columns)
    return and_(*(mentions(word, columns) for word in search.split()[:5]))


def users(*, show: str = "all", search: str = "", sort: str = "joined", cursor: str | None = None) -> Page:
    """People: the latest who joined first, or by address."""
    statement = select(User)
    if show == "administrators":
        statement = statement.where(IS_ADMIN)
    elif show == "suspended":
        statement = statement.where(User.disabled_at.is_not(None))
    elif show == "unverified":
        statement = statement.where(User.email_verified_at.is_(None))
    if search:
        known = User.id == search if ids.is_id(search, "usr") else User.email_key == search.lower()
        statement = statement.where(known if db.scalar(select(User.id).where(known)) else _named(search))
    if sort != "address":
        return _page(statement, User, cursor)
    if cursor:
        last = select(User.email_key).where(User.id == cursor).scalar_subquery()
        statement = statement.where(User.email_key > last)
    return _cut(statement.order_by(User.email_key), PAGE)


def _named(search: str) -> ColumnElement[bool]:
    return and_(_newest(User), _holds(search, (User.email, User.name)))


class Facts(NamedTuple):
    """What a list says of a user beside the record."""

    tokens: int
    apps: int
    seen_at: datetime | None
    second_factor: bool


def facts(people: Sequence[User]) -> dict[str, Facts]:
    """The same for each of these, in four queries whatever their number."""
    wanted = [user.id for user in people]
    live = and_(Token.kind == Kind.DEVELOPER, Token.revoked_at.is_(None), Token.successor_id.is_(None))
    held = or_(Token.expires_at.is_(None), Token.expires_at > clock.now())
    made = _counts(select(Token.user_id, func.count()).where(Token.user_id.in_(wanted), live, held), Token.user_id)
    apps = _counts(select(Client.owner_id, func.count()).where(Client.owner_id.in_(wanted)), Client.owner_id)
    seen = _counts(
        select(BrowserSession.user_id, func.max(BrowserSession.last_seen_at)).where(BrowserSession.user_id.in_(wanted)),
        BrowserSession.user_id,
    )
    factors = (Authenticator.user_id, Passkey.user_id)
    second = set(db.scalars(union(*(select(owner).where(owner.in_(wanted)) for owner in factors))))
    return {key: Facts(made.get(key, 0), apps.get(key, 0), seen.get(key), key in second) for key in wanted}


def _counts(statement: Select[*tuple[Any, ...]], key: InstrumentedAttribute[Any]) -> dict[str, Any]:
    return dict(db.execute(statement.group_by(key)).all())


def apps(*, show: str = "all", search: str = "", owner: User | None = None, cursor: str | None = None) -> Page:
    """Apps, the newest first."""
    statement = select(Client)
    if show == "suspended":
        statement = statement.where(Client.suspended_at.is_not(None))
    elif show == "trusted":
        statement = statement.where(text("client.trusted"))
    elif show == "resource-servers":
        statement = statement.where(text("client.resource_server"))
    if owner is not None:
        statement = statement.where(Client.owner_id == owner.id)
    if search:
        statement = statement.where(_apps_found(search))
    return _page(statement, Client, cursor)


def _apps_found(search: str) -> ColumnElement[bool]:
    if ids.is_id(search, "app"):
        return Client.id == search
    if owner_id := _user_id(search):
        return Client.owner_id == owner_id
    return and_(_newest(Client), _holds(search, (Client.name, Client.homepage)))


def _user_id(search: str) -> str | None:
    """The user whose id or whole address this is."""
    if "@" not in search and not ids.is_id(search, "usr"):
        return None
    return db.scalar(select(User.id).where(or_(User.id == search, User.email_key == search.lower())))


def missed_soon() -> ColumnElement[bool]:
    """Which of the developer tokens are in use and end within a week, without a successor."""
    now = clock.now()
    held = and_(DEVELOPER, Token.successor_id.is_(None), Token.revoked_at.is_(None))
    return and_(held, Token.expires_at.between(now, now + SOON), Token.last_used_at > now - USED_LATELY)


def tokens(*, show: str = "active", search: str = "", user: User | None = None, cursor: str | None = None) -> Page:
    """Developer tokens, the newest first; `ending`: those that are missed within a week, the next first."""
    now = clock.now()
    statement = select(Token).where(DEVELOPER, Token.successor_id.is_(None))
    statement = statement.options(joinedload(Token.user), selectinload(Token.parent))
    active = and_(Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > now))
    if show == "ending":
        statement = statement.where(missed_soon())
    else:
        statement = statement.where(active if show == "active" else ~active)
    if user is not None:
        statement = statement.where(Token.user_id == user.id)
    if search:
        statement = statement.where(_tokens_found(search))
    if show != "ending":
        return _page(statement, Token, cursor)
    if cursor:
        last = select(Token.expires_at).where(Token.id == cursor).scalar_subquery()
        statement = statement.where(or_(Token.expires_at > last, and_(Token.expires_at == last, Token.id > cursor)))
    return _cut(statement.order_by(Token.expires_at, Token.id), PAGE)


def _tokens_found(search: str) -> ColumnElement[bool]:
    if ids.is_id(search, "tok"):
        return Token.id == search
    if user_id := _user_id(search):
        return Token.user_id == user_id
    among = _newest(Token, DEVELOPER)
    return and_(among, _holds(search, (Token.description, Token.scope, Token.last4)))


def authorizations(*, search: str = "", user: User | None = None, cursor: str | None = None) -> Page:
    """What people let apps do, the newest first."""
    statement = select(Authorization).where(Authorization.withdrawn_at.is_(None))
    statement = statement.options(joinedload(Authorization.user, innerjoin=True))
    if user is not None:
        statement = statement.where(Authorization.user_id == user.id)
    if search:
        statement = statement.where(_authorizations_found(search))
    return _page(statement, Authorization, cursor)


def _authorizations_found(search: str) -> ColumnElement[bool]:
    if user_id := _user_id(search):
        return Authorization.user_id == user_id
    eldest = select(Client.id).where(_apps_found(search)).order_by(Client.id).limit(PAGE)
    return Authorization.client_id.in_(eldest)


def letters(*, show: str = "failed", search: str = "", cursor: str | None = None) -> Page:
    """Letters, never what is in them: that failed at least once or were given up, that wait, that were sent."""
    conditions = {
        "failed": (Letter.sent_at.is_(None), Letter.last_error.is_not(None)),
        "waiting": (Letter.next_attempt_at.is_not(None),),
        "sent": (Letter.sent_at.is_not(None),),
    }
    statement = select(Letter).where(*conditions[show])
    if search:
        statement = statement.where(_newest(Letter))
        statement = statement.where(_holds(search, (Letter.recipient, Letter.name)))
    return _page(statement, Letter, cursor)


def events(*, group: str | None = None, search: str = "", user: User | None = None, cursor: str | None = None) -> Page:
    """What happened in everybody's account, the newest first."""
    statement = select(Event)
    if group:
        statement = statement.where(Event.kind.startswith(f"{group}.", autoescape=True))
    if user is None and (user_id := _user_id(search)):
        statement, search = statement.where(Event.user_id == user_id), ""
    if user is not None:
        statement = statement.where(Event.user_id == user.id)
    if search or (group and user is None):
        statement = statement.where(_newest(Event))
    if search:
        statement = statement.where(_holds(search, (Event.kind, Event.address, Event.request_id)))
    return _page(statement, Event, cursor)


def owners(events: Sequence[Event]) -> dict[str, User]:
    """Whose accounts these events are of."""
    wanted = {event.user_id for event in events}
    return {user.id: user for user in db.scalars(select(User).where(User.id.in_(wanted)))}

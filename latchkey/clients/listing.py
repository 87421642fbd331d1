"""A user's own clients, in pages or one by one, and every client there is."""

from sqlalchemy import func, select

from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import origins
from latchkey.clients.origins import ClientOrigin
from latchkey.clients.record import Client
from latchkey.store.search import mentions
from latchkey.store.session import db

PAGE = 30


def list_for(owner: User) -> list[Client]:
    """The clients of a user, the newest first."""
    return list(db.scalars(select(Client).where(Client.owner_id == owner.id).order_by(Client.id.desc())))


def page_of(owner: User, search: str, page: int) -> tuple[list[Client], int]:
    """A page of a user's clients that match, the newest first, and how many match; in one statement."""
    statement = select(Client, func.count().over()).where(Client.owner_id == owner.id)
    if search:
        statement = statement.where(mentions(search, [Client.name, Client.homepage, Client.id]))
    rows = db.execute(statement.order_by(Client.id.desc()).limit(PAGE).offset((page - 1) * PAGE)).all()
    return [row[0] for row in rows], rows[0][1] if rows else 0


def owned(owner: User | None = None) -> list[Client]:
    """Every client, or those of a user, in the order of locks."""
    statement = select(Client).order_by(Client.id)
    return list(db.scalars(statement if owner is None else statement.where(Client.owner_id == owner.id)))


def get_for(owner: User, client_id: str, *, lock: bool = False) -> Client | None:
    """A user's own client; with `lock` nobody else changes it, or its owner, until the commit. Raises `UserGone`."""
    if lock:
        users.hold(owner.id)
    statement = select(Client).where(Client.id == client_id, Client.owner_id == owner.id)
    if lock:
        statement = statement.with_for_update(of=Client, key_share=True).execution_options(populate_existing=True)
    return db.scalar(statement)


def any_speaks_from(origin: str) -> bool:
    """Whether any public app has pages of this origin."""
    asked = (
        select(ClientOrigin.client_id)
        .join(Client)
        .where(
            ClientOrigin.origin == origins.kept(origin), Client.confidential.is_(False), Client.suspended_at.is_(None)
        )
    )
    return db.scalar(asked.limit(1)) is not None

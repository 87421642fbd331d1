"""Which apps act for a user, and how many people let an app act for them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager, lazyload

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants.record import Authorization, standing
from latchkey.store.session import db

# An app that is younger, and that fewer people use, nobody can have heard much of.
YOUNG, FEW = timedelta(days=30), 10


def list_for(user: User) -> list[Authorization]:
    """The apps that act for a user, the latest first."""
    return list(
        db.scalars(
            select(Authorization)
            .where(Authorization.user_id == user.id, standing())
            .order_by(Authorization.updated_at.desc(), Authorization.id.desc())
        )
    )


def page_of(user: User, after: str | None, limit: int) -> list[Authorization]:
    """Some of them, those that began last first, from behind this id on: an account may have thousands."""
    mine = select(Authorization).where(Authorization.user_id == user.id, standing())
    if after is not None:
        mine = mine.where(Authorization.id < after)
    alone = contains_eager(Authorization.client).options(lazyload(Client.secrets), lazyload(Client.owner))
    found = mine.join(Authorization.client).options(alone).order_by(Authorization.id.desc())
    return list(db.scalars(found.limit(limit)))


def used_since(user: User, since: datetime, limit: int) -> list[Authorization]:
    """The apps that act for a user and did so since a moment, the latest first; none that is suspended."""
    mine = (Authorization.user_id == user.id, standing(), Authorization.last_used_at > since)
    used = select(Authorization).join(Authorization.client).where(*mine, Client.suspended_at.is_(None))
    named = contains_eager(Authorization.client).options(lazyload(Client.secrets), lazyload(Client.owner))
    return list(db.scalars(used.options(named).order_by(Authorization.last_used_at.desc()).limit(limit)))


def get_for(user: User, authorization_id: str, *, withdrawn: bool = False) -> Authorization | None:
    """A user's own live authorization; with `withdrawn` also one that was taken back."""
    statement = select(Authorization).where(Authorization.id == authorization_id, Authorization.user_id == user.id)
    if not withdrawn:
        statement = statement.where(standing())
    return db.scalar(statement)


def count_for(client: Client, since: datetime | None = None) -> int:
    """How many people let a client act for them, or have begun to since then."""
    statement = select(func.count()).where(Authorization.client_id == client.id, standing())
    if since is not None:
        statement = statement.where(Authorization.created_at > since)
    return db.scalar(statement) or 0


def new_here(client: Client) -> bool:
    """Whether people should know who runs an app before they let it act for them; a trusted one is the operator's."""
    if client.trusted or client.owner_id is None or client.created_at <= clock.now() - YOUNG:
        return False
    # Of an app that thousands use already no more are looked at than it takes.
    some = select(Authorization.id).where(Authorization.client_id == client.id, standing()).limit(FEW)
    return len(db.scalars(some).all()) < FEW


def relied_on(client: Client) -> bool:
    """Whether somebody other than its owner lets a client act for them; of nobody's app anybody may be the maker."""
    if client.owner_id is None:
        return False
    others = select(Authorization.id).where(
        Authorization.client_id == client.id,
        Authorization.user_id != client.owner_id,
        standing(),
    )
    return db.scalar(others.limit(1)) is not None


def people(apps: Iterable[Client]) -> dict[str, int]:
    """How many people let each of these clients act for them, by its id."""
    statement = (
        select(Authorization.client_id, func.count())
        .where(Authorization.client_id.in_([client.id for client in apps]), standing())
        .group_by(Authorization.client_id)
    )
    return dict(db.execute(statement).all())

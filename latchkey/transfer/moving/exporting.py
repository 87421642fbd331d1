"""Writing an export: one moment of users, apps, authorizations and tokens that work, without a secret."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from latchkey import clock, settings
from latchkey.accounts.users import User
from latchkey.clients import Client, ClientSecret
from latchkey.grants import Authorization, Grant
from latchkey.store.snapshots import snapshot
from latchkey.tokens import Token
from latchkey.tokens.imported.record import ForeignToken
from latchkey.transfer import whole
from latchkey.transfer.content import written
from latchkey.transfer.moving.systems.ours import ALGORITHM, APP, AUTHORIZATION, BEGINNING, FORMAT, TOKEN, USER

MAGIC = f'{{"type":"{BEGINNING}"'.encode()


class NotExported(Exception):
    """An export cannot be written; the text says why in one line."""


@dataclass(frozen=True)
class Exported:
    """How many of each were written."""

    made_at: str
    counts: dict[str, int]


def export(path: Path) -> Exported:
    """Write an export, whole or not at all. Raises `NotExported`."""
    _want_free(path)
    made_at, counts = clock.rfc3339(clock.now()), dict.fromkeys((USER, APP, AUTHORIZATION, TOKEN), 0)
    with whole.writing(path) as file, snapshot(settings.base().instance) as connection:
        file.write(written({"type": BEGINNING, "version": FORMAT, "made_at": made_at}))
        for told in _told(connection):
            counts[told["type"]] += 1
            file.write(written({name: value for name, value in told.items() if value not in (None, "", [])}))
    return Exported(made_at, counts)


def _want_free(path: Path) -> None:
    if not path.parent.is_dir():
        raise NotExported(f"there is no folder {path.parent}")
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise NotExported(f"{path} is no place for a file")
    if path.exists():
        with path.open("rb") as there:
            if there.read(len(MAGIC)) != MAGIC:
                raise NotExported(f"{path} is there already and is no export")


def _told(connection: Connection) -> Iterator[dict[str, Any]]:
    yield from _users(connection)
    yield from _apps(connection)
    yield from _authorizations(connection)
    yield from _tokens(connection)


def _at(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())


def _users(connection: Connection) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(User.__table__).order_by(User.id)):
        yield {
            "type": USER,
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "verified": row.email_verified_at is not None,
            "suspended": row.disabled_at is not None,
            "created_at": _at(row.created_at),
        }


def _apps(connection: Connection) -> Iterator[dict[str, Any]]:
    """Those that somebody registered; what describes itself does so elsewhere, too."""
    columns = [column for column in Client.__table__.c if column.name != "logo"]
    owned = select(*columns).where(Client.owner_id.is_not(None)).order_by(Client.id)
    secrets: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(select(ClientSecret.__table__)):
        if row.expires_at is None or row.expires_at > clock.now():
            end = {"expires_at": _at(row.expires_at)} if row.expires_at else {}
            secrets.setdefault(row.client_id, []).append({"digest": _digest(row.digest), "last4": row.last4} | end)
    for row in connection.execute(owned):
        yield {
            "type": APP,
            "id": row.id,
            "owner": row.owner_id,
            "name": row.name,
            "homepage": row.homepage,
            "redirect_uris": row.redirect_uris,
            "scopes": row.scope.split(),
            "optional_scopes": row.optional_scope.split(),
            "confidential": row.confidential,
            "pkce_required": row.pkce_required,
            "suspended": row.suspended_at is not None,
            "secrets": secrets.get(row.id, []),
            "created_at": _at(row.created_at),
        }


def _authorizations(connection: Connection) -> Iterator[dict[str, Any]]:
    standing = or_(Authorization.expires_at.is_(None), Authorization.expires_at > clock.now())
    rows = select(Authorization.__table__).where(Authorization.withdrawn_at.is_(None), standing)
    for row in connection.execute(rows.order_by(Authorization.id)):
        yield {
            "type": AUTHORIZATION,
            "user": row.user_id,
            "app": row.client_id,
            "scopes": row.scope.split(),
            "unasked_scopes": row.unasked_scope.split(),
            "created_at": _at(row.created_at),
            "expires_at": _at(row.expires_at),
        }


def _works() -> ColumnElement[bool]:
    """What works by itself: not what waits, or hangs on another token, or was regenerated."""
    now = clock.now()
    return and_(
        Token.revoked_at.is_(None),
        Token.consumed_at.is_(None),
        Token.waiting_since.is_(None),
        Token.parent_id.is_(None),
        Token.successor_id.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > now),
        or_(Grant.id.is_(None), and_(Grant.ended_at.is_(None), Grant.expires_at > now)),
        # One whose string is still to be learned has no digest to tell.
        ForeignToken.key.is_(None),
    )


def _tokens(connection: Connection) -> Iterator[dict[str, Any]]:
    rows = (
        select(Token.__table__, Grant.client_id, Grant.expires_at.label("grant_ends_at"))
        .outerjoin(Grant, Grant.id == Token.grant_id)
        .outerjoin(ForeignToken, ForeignToken.placeholder == Token.digest)
        .where(_works())
    )
    for row in connection.execute(rows.order_by(Token.id)):
        yield {
            "type": TOKEN,
            "id": row.id,
            "kind": row.kind,
            "user": row.user_id,
            "app": row.client_id,
            "description": row.description,
            "scopes": row.scope.split(),
            "resource": row.resource,
            "allowed_addresses": row.allowed_addresses,
            "digest": _digest(row.digest),
            "last4": row.last4,
            "created_at": _at(row.created_at),
            "expires_at": _at(row.expires_at),
            "sign_in": row.grant_id,
            "sign_in_ends_at": _at(row.grant_ends_at),
        }


def _digest(digest: bytes) -> dict[str, str]:
    return {"algorithm": ALGORITHM, "value": digest.hex()}

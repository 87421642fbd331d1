"""Rows of Doorkeeper and of the users beside it, as JSON lines."""

from dataclasses import replace
from datetime import datetime, timedelta

from latchkey import credentials
from latchkey.credentials import Kind
from latchkey.transfer.moving.lines import BadLine, flag, moment, needed, text, texts
from latchkey.transfer.moving.records import AppRecord, Kept, Record, SignIn, TokenRecord
from latchkey.transfer.moving.systems import rows, secrets
from latchkey.transfer.moving.systems.rows import NO_PERSON, Row


def records(value: Row) -> list[Record]:
    """A row of Doorkeeper, or of the users beside it. Raises `BadLine`.

    64 hexadecimal digits are taken for a digest, whichever way tokens are kept there: the other mistake would let
    whoever has read a digest use it.
    """
    table, row = rows.read(value)
    if table == "oauth_applications":
        return [
            AppRecord(
                id=needed(row, "id", 200),
                client_id=needed(row, "uid", 200),
                name=text(row, "name", 400),
                owner=text(row, "owner_id", 200) if rows.of_person(row, "owner_type") else "",
                redirect_uris=texts(row, "redirect_uri"),
                scopes=texts(row, "scopes"),
                confidential=flag(row, "confidential", default=True),
                created_at=moment(row, "created_at"),
                **secrets.kept(text(row, "secret", 500)),
            )
        ]
    if table == "oauth_access_tokens":
        return _tokens(row)
    return [rows.person(row, proved="confirmed_at")] if table == "users" else []


def _tokens(row: Row) -> list[Record]:
    """An access token, and the refresh token that stands in the same row."""
    if not rows.of_person(row, "resource_owner_type"):
        raise BadLine(NO_PERSON)
    token, refresh = (text(row, name, credentials.LONGEST_FOREIGN) for name in ("token", "refresh_token"))
    shared = TokenRecord(
        id=needed(row, "id", 200),
        kept=_written(token or needed(row, "token")),
        last4=secrets.shown(token),
        user=text(row, "resource_owner_id", 200),
        app=text(row, "application_id", 200),
        scopes=texts(row, "scopes"),
        created_at=moment(row, "created_at"),
        expires_at=_end(row),
        ended=row.get("revoked_at") not in (None, ""),
    )
    if not refresh or not shared.app:
        return [shared]
    shared = replace(shared, sign_in=SignIn(shared.id, None))
    beside = replace(shared, id=f"refresh {shared.id}", kept=_written(refresh), kind=Kind.REFRESH)
    return [shared, replace(beside, last4=secrets.shown(refresh), expires_at=None)]


def _written(token: str) -> Kept:
    return rows.hashed(token) if secrets.hexadecimal(token) else rows.plain(token)


def _end(row: Row) -> datetime | None:
    seconds, created = text(row, "expires_in", 12), moment(row, "created_at")
    if not seconds:
        return None
    try:
        if created is not None:
            return created + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        pass
    raise BadLine("expires_in is no number of seconds, or created_at is missing")

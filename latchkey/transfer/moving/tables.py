"""Rows of other systems' tables: Django OAuth Toolkit as `dumpdata` writes them, Doorkeeper and Laravel as JSON lines.

A row is `{"table": "oauth_applications", "row": {…}}`, or Django's `{"model": …, "pk": …, "fields": {…}}`.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from latchkey import credentials
from latchkey.tokens.imported.proofs import BadAlgorithm, sha256
from latchkey.transfer.moving.lines import BadLine, flag, moment, needed, text, texts
from latchkey.transfer.moving.records import AppRecord, Kept, Record, TokenRecord, UserRecord

Row = dict[str, Any]
NO_PERSON = "it belongs to something that is no user"
REFRESH = "a refresh token: its app asks its people again"


def _row(value: Row) -> tuple[str, Row]:
    """The table of a line, and its row. Raises `BadLine`."""
    if "model" in value:
        fields = value.get("fields")
        if not isinstance(fields, dict):
            raise BadLine("fields are missing")
        return needed(value, "model", 200).rpartition(".")[2].lower(), {**fields, "id": value.get("pk")}
    row = value.get("row")
    if not isinstance(row, dict):
        raise BadLine('neither {"table": …, "row": {…}} nor {"model": …, "pk": …, "fields": {…}}')
    return needed(value, "table", 200).rpartition(".")[2].lower(), row


def _plain(token: str) -> Kept:
    return Kept(digest=credentials.digest(token))


def _digest(written: str) -> Kept:
    try:
        return Kept(digest=sha256(written))
    except BadAlgorithm as error:
        raise BadLine(str(error)) from None


def _of_person(row: Row, name: str) -> bool:
    """Whether a row's id is one of the table of people, where the row says which table that is."""
    table = text(row, name, 200)
    return not table or re.split(r"[\\\\/:.]", table)[-1] in ("User", "user", "users")


def _user(row: Row, *, proved: str = "", active: str = "") -> UserRecord:
    left_out = ""
    if proved in row and row[proved] in (None, "", False, 0):
        left_out = "its address was not verified there"
    if active in row and not flag(row, active, default=True):
        left_out = "it is not active there"
    named = " ".join(filter(None, (text(row, "first_name", 200), text(row, "last_name", 200))))
    email, name = needed(row, "email", 320), text(row, "name", 400) or named
    joined = moment(row, "date_joined") or moment(row, "created_at")
    return UserRecord(needed(row, "id", 200), email, name, left_out, joined)


def django(value: Row) -> list[Record]:
    """A row of Django or Django OAuth Toolkit. Raises `BadLine`."""
    table, row = _row(value)
    if table == "application":
        return [
            AppRecord(
                id=needed(row, "id", 200),
                client_id=needed(row, "client_id", 200),
                name=text(row, "name", 400),
                owner=text(row, "user", 200),
                redirect_uris=texts(row, "redirect_uris"),
                confidential=text(row, "client_type", 40) != "public",
                created_at=moment(row, "created"),
            )
        ]
    if table == "accesstoken":
        token, checksum = text(row, "token", credentials.LONGEST_FOREIGN), text(row, "token_checksum", 64)
        return [
            TokenRecord(
                id=needed(row, "id", 200),
                kept=_plain(token) if token else _digest(checksum),
                last4=token[-4:],
                user=text(row, "user", 200),
                app=text(row, "application", 200),
                scopes=texts(row, "scope"),
                created_at=moment(row, "created"),
                expires_at=moment(row, "expires"),
            )
        ]
    if table == "refreshtoken":
        raise BadLine(REFRESH)
    # Other tables hold addresses, too, and number their rows as they please.
    people = "email" in row and ("password" in row or "last_login" in row or "is_active" in row)
    return [_user(row, active="is_active")] if people else []


def doorkeeper(value: Row) -> list[Record]:
    """A row of Doorkeeper, or of the users beside it. Raises `BadLine`.

    64 hexadecimal digits are taken for a digest, whichever way tokens are kept there: the other mistake would let
    whoever has read a digest use it.
    """
    table, row = _row(value)
    if table == "oauth_applications":
        return [
            AppRecord(
                id=needed(row, "id", 200),
                client_id=needed(row, "uid", 200),
                name=text(row, "name", 400),
                owner=text(row, "owner_id", 200) if _of_person(row, "owner_type") else "",
                redirect_uris=texts(row, "redirect_uri"),
                scopes=texts(row, "scopes"),
                confidential=flag(row, "confidential", default=True),
                created_at=moment(row, "created_at"),
            )
        ]
    if table == "oauth_access_tokens":
        token = needed(row, "token", credentials.LONGEST_FOREIGN)
        hashed = len(token) == 64 and set(token) <= set("0123456789abcdef")
        if not _of_person(row, "resource_owner_type"):
            raise BadLine(NO_PERSON)
        return [
            TokenRecord(
                id=needed(row, "id", 200),
                kept=_digest(token) if hashed else _plain(token),
                last4="" if hashed else token[-4:],
                user=text(row, "resource_owner_id", 200),
                app=text(row, "application_id", 200),
                scopes=texts(row, "scopes"),
                created_at=moment(row, "created_at"),
                expires_at=_end(row),
                ended=row.get("revoked_at") not in (None, ""),
            )
        ]
    return [_user(row, proved="confirmed_at")] if table == "users" else []


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


def passport(value: Row) -> list[Record]:
    """A row of Laravel Passport or Sanctum, or of the users beside it. Raises `BadLine`."""
    table, row = _row(value)
    reader = _LARAVEL.get(table)
    return [reader(row)] if reader is not None else []


def _passport_client(row: Row) -> Record:
    # A guard of another name has a table of its own, in which the same numbers are other people.
    ours = text(row, "provider", 200) in ("", "users")
    left_out = "it was revoked there" if flag(row, "revoked") else ""
    uris = texts(row, "redirect_uris") or [uri for uri in text(row, "redirect").split(",") if uri]
    return AppRecord(
        id=needed(row, "id", 200),
        client_id=needed(row, "id", 200),
        name=text(row, "name", 400),
        owner=text(row, "user_id", 200) or (text(row, "owner_id", 200) if _of_person(row, "owner_type") else ""),
        redirect_uris=uris,
        confidential=text(row, "secret") != "",
        personal=ours and (flag(row, "personal_access_client") or "personal_access" in texts(row, "grant_types")),
        left_out=left_out if ours else "its tokens belong to people of another table",
        created_at=moment(row, "created_at"),
    )


def _passport_token(row: Row) -> Record:
    return TokenRecord(
        id=needed(row, "id", 200),
        kept=Kept(how="jti", row=needed(row, "id", 200), whole=True),
        user=text(row, "user_id", 200),
        app=needed(row, "client_id", 200),
        description=text(row, "name", 400),
        scopes=texts(row, "scopes"),
        created_at=moment(row, "created_at"),
        expires_at=moment(row, "expires_at"),
        ended=flag(row, "revoked"),
    )


def _sanctum_token(row: Row) -> Record:
    if not _of_person(row, "tokenable_type"):
        raise BadLine(NO_PERSON)
    kept = needed(row, "token", 64)
    _digest(kept)
    return TokenRecord(
        id=f"sanctum {needed(row, 'id', 200)}",
        kept=Kept(row=needed(row, "id", 200), proof=f"sha256$${kept.lower()}"),
        user=needed(row, "tokenable_id", 200),
        description=text(row, "name", 400),
        scopes=texts(row, "abilities"),
        created_at=moment(row, "created_at"),
        expires_at=moment(row, "expires_at"),
    )


def _passport_refresh(_row: Row) -> Record:
    raise BadLine(REFRESH)


_LARAVEL: dict[str, Callable[[Row], Record]] = {
    "users": lambda row: _user(row, proved="email_verified_at"),
    "oauth_clients": _passport_client,
    "oauth_access_tokens": _passport_token,
    "oauth_refresh_tokens": _passport_refresh,
    "personal_access_tokens": _sanctum_token,
}

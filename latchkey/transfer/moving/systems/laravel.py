"""Rows of Laravel Passport and Sanctum and of the users beside them, as JSON lines."""

from collections.abc import Callable

from latchkey.transfer.moving.lines import BadLine, flag, moment, needed, text, texts
from latchkey.transfer.moving.records import AppRecord, Kept, Record, TokenRecord
from latchkey.transfer.moving.systems import rows, secrets
from latchkey.transfer.moving.systems.rows import NO_PERSON, Row

SEALED = "a refresh token: Laravel seals its string by a key of its own, so its app asks its people again"


def records(value: Row) -> list[Record]:
    """A row of Laravel Passport or Sanctum, or of the users beside it. Raises `BadLine`."""
    table, row = rows.read(value)
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
        owner=text(row, "user_id", 200) or (text(row, "owner_id", 200) if rows.of_person(row, "owner_type") else ""),
        redirect_uris=uris,
        confidential=text(row, "secret") != "",
        personal=ours and (flag(row, "personal_access_client") or "personal_access" in texts(row, "grant_types")),
        left_out=left_out if ours else "its tokens belong to people of another table",
        created_at=moment(row, "created_at"),
        **secrets.kept(text(row, "secret", 500)),
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
    if not rows.of_person(row, "tokenable_type"):
        raise BadLine(NO_PERSON)
    kept = needed(row, "token", 64)
    rows.hashed(kept)
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
    raise BadLine(SEALED)


_LARAVEL: dict[str, Callable[[Row], Record]] = {
    "users": lambda row: rows.person(row, proved="email_verified_at"),
    "oauth_clients": _passport_client,
    "oauth_access_tokens": _passport_token,
    "oauth_refresh_tokens": _passport_refresh,
    "personal_access_tokens": _sanctum_token,
}

"""Rows of Django and Django OAuth Toolkit, as `dumpdata` writes them."""

from latchkey import credentials
from latchkey.credentials import Kind
from latchkey.transfer.moving import ahead
from latchkey.transfer.moving.lines import moment, needed, text, texts
from latchkey.transfer.moving.records import AppRecord, Record, TokenRecord
from latchkey.transfer.moving.systems import rows, secrets
from latchkey.transfer.moving.systems.rows import Row


def records(value: Row) -> list[Record]:
    """A row of Django or Django OAuth Toolkit. Raises `BadLine`."""
    table, row = rows.read(value)
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
                **secrets.kept(text(row, "client_secret", 500)),
            )
        ]
    if table == "accesstoken":
        token, checksum = text(row, "token", credentials.LONGEST_FOREIGN), text(row, "token_checksum", 64)
        return [
            TokenRecord(
                id=needed(row, "id", 200),
                kept=rows.plain(token) if token else rows.hashed(checksum),
                last4=token[-4:],
                user=text(row, "user", 200),
                app=text(row, "application", 200),
                scopes=texts(row, "scope"),
                created_at=moment(row, "created"),
                expires_at=moment(row, "expires"),
            )
        ]
    if table == "refreshtoken":
        return [_refresh(row)]
    # Other tables hold addresses, too, and number their rows as they please.
    people = "email" in row and ("password" in row or "last_login" in row or "is_active" in row)
    return [rows.person(row, active="is_active")] if people else []


def _refresh(row: Row) -> Record:
    token = needed(row, "token", credentials.LONGEST_FOREIGN)
    beside = text(row, "access_token", 200)
    return TokenRecord(
        id=f"refresh {needed(row, 'id', 200)}",
        kept=rows.plain(token),
        kind=Kind.REFRESH,
        last4=token[-4:],
        user=text(row, "user", 200),
        app=needed(row, "application", 200),
        created_at=moment(row, "created"),
        ended=row.get("revoked") not in (None, ""),
        beside=beside,
        left_out="" if beside else ahead.ALONE,
    )

"""Rows of other systems' tables, as they are read whichever the system.

A row is `{"table": "oauth_applications", "row": {…}}`, or Django's `{"model": …, "pk": …, "fields": {…}}`.
"""

import re
from typing import Any

from latchkey import credentials
from latchkey.tokens.imported.proofs import BadAlgorithm, sha256
from latchkey.transfer.moving.lines import BadLine, flag, moment, needed, text
from latchkey.transfer.moving.records import Kept, UserRecord

Row = dict[str, Any]
NO_PERSON = "it belongs to something that is no user"


def read(value: Row) -> tuple[str, Row]:
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


def plain(token: str) -> Kept:
    """What is kept of a string that was kept as it is."""
    return Kept(digest=credentials.digest(token))


def hashed(written: str) -> Kept:
    """What is kept of a SHA-256 digest. Raises `BadLine`."""
    try:
        return Kept(digest=sha256(written))
    except BadAlgorithm as error:
        raise BadLine(str(error)) from None


def of_person(row: Row, name: str) -> bool:
    """Whether a row's id is one of the table of people, where the row says which table that is."""
    table = text(row, name, 200)
    return not table or re.split(r"[\\\\/:.]", table)[-1] in ("User", "user", "users")


def person(row: Row, *, proved: str = "", active: str = "") -> UserRecord:
    """Somebody; `proved` and `active` name the columns that tell of a verified address, and of who may come in."""
    left_out = ""
    if proved in row and row[proved] in (None, "", False, 0):
        left_out = "its address was not verified there"
    if active in row and not flag(row, active, default=True):
        left_out = "it is not active there"
    named = " ".join(filter(None, (text(row, "first_name", 200), text(row, "last_name", 200))))
    email, name = needed(row, "email", 320), text(row, "name", 400) or named
    joined = moment(row, "date_joined") or moment(row, "created_at")
    return UserRecord(needed(row, "id", 200), email, name, left_out, joined)

"""A CSV of home-made keys, a key a line, with a first line that names the columns."""

import codecs
import csv
from collections.abc import Iterator
from typing import BinaryIO

from latchkey import credentials, settings
from latchkey.tokens.imported import forms
from latchkey.tokens.imported.proofs import BadAlgorithm, sha256, verifier
from latchkey.transfer.moving.lines import BadLine, Line, moment, needed, text, texts
from latchkey.transfer.moving.records import Kept, Record, TokenRecord, UserRecord

NEEDED = frozenset({"email", "scopes"})
KNOWN = NEEDED | {"name", "description", "key", "digest", "id", "covers", "created_at", "expires_at"}


class NoTable(Exception):
    """A file is no CSV of keys at all; the text says why."""


def read(file: BinaryIO) -> Iterator[Line]:
    """Every line, by the number at which it ends. Raises `NoTable`."""
    file.seek(0)
    decoded = codecs.getreader("utf-8-sig")(file, "surrogateescape")
    rows = csv.DictReader(decoded, strict=True)
    try:
        names = {(name or "").strip() for name in rows.fieldnames or ()}
    except csv.Error:
        names = set()
    if not names >= NEEDED or not names <= KNOWN or names.isdisjoint({"key", "digest"}):
        raise NoTable(
            f"the first line has to name the columns: {', '.join(sorted(NEEDED))}, key or digest, and any of "
            f"{', '.join(sorted(KNOWN - NEEDED - {'key', 'digest'}))}"
        )
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Line(rows.line_num, {}, f"no CSV ({error})")
            continue
        if row is None:
            return
        if None in row or None in row.values():
            yield Line(rows.line_num, {}, "it has more or fewer fields than the first line")
        else:
            yield Line(rows.line_num, dict(row))


def records(value: dict[str, str]) -> list[Record]:
    """The owner of a key, and the key. Raises `BadLine`."""
    email, key = needed(value, "email", 320).strip(), text(value, "key", credentials.LONGEST_FOREIGN)
    kept = _kept(value, key)
    token = TokenRecord(
        id=text(value, "id", forms.LONGEST_ID) or kept.identity,
        kept=kept,
        user=email.lower(),
        description=text(value, "description", 400),
        scopes=texts(value, "scopes"),
        last4=key[-4:],
        created_at=moment(value, "created_at"),
        expires_at=moment(value, "expires_at"),
    )
    return [UserRecord(email.lower(), email, text(value, "name", 400)), token]


def _kept(value: dict[str, str], key: str) -> Kept:
    written, row, covers = text(value, "digest", 500), text(value, "id", forms.LONGEST_ID), text(value, "covers", 10)
    if key and written:
        raise BadLine("it has key and digest: one of them is enough")
    if covers not in ("", "key", "token"):
        raise BadLine("covers is neither key nor token")
    if key:
        return Kept(digest=credentials.digest(key))
    if not written:
        raise BadLine("key and digest are empty")
    try:
        if "$" not in written:
            digest = sha256(written)
            if covers != "key":
                return Kept(digest=digest)
            written = f"sha256$${digest.hex()}"
        verifier(written)
    except BadAlgorithm as error:
        # While the old check is asked as well, it tells at the first use whose string it is.
        if settings.current().shadow_url is None or not row:
            raise BadLine(str(error)) from None
        return Kept(row=row, asked=True)
    if not row or set(row) & set(forms.SEPARATORS):
        raise BadLine("its digest can only be compared when tokens name their row, as in id.key: fill in id")
    return Kept(row=row, proof=written, whole=covers == "token")

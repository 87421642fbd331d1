"""Authorizations and tokens that come in, under users and apps that did."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select

from latchkey import clock, credentials, resources, scopes, texts
from latchkey.credentials import Kind
from latchkey.ids import new_id
from latchkey.store.session import db
from latchkey.tokens import LONGEST_DESCRIPTION, Token, ranges
from latchkey.tokens.imported import forms
from latchkey.tokens.imported.record import ForeignToken
from latchkey.tokens.issued.issuing import REFRESH_IDLE
from latchkey.tokens.ranges import BadRange
from latchkey.tokens.record import IMPORTED
from latchkey.transfer.moving.book import NO_SCOPES, Book
from latchkey.transfer.moving.desk import UNKNOWN, Desk
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import AuthorizationRecord, TokenRecord


def bring_authorizations(desk: Desk, batch: Sequence[tuple[int, AuthorizationRecord]]) -> None:
    """Keep what users let apps do; what they took back here stays taken back."""
    book = Book(desk, [record for _, record in batch])
    for line, record in batch:
        try:
            new = book.agreed(record)
        except BadLine as error:
            desk.skip("authorizations", line, f"authorization of user {record.user}: {error}")
            continue
        desk.count("authorizations", new=new)
    db.flush()


def bring_tokens(desk: Desk, batch: Sequence[tuple[int, TokenRecord]]) -> None:
    """Keep the tokens that still work there."""
    keys = [desk.key("token", record.id, record.kept.identity) for _, record in batch]
    book = Book(desk, [record for _, record in batch])
    known = set(db.scalars(select(ForeignToken.key).where(ForeignToken.key.in_(keys))))
    digests = {record.kept.digest for _, record in batch if record.kept.digest is not None}
    taken: set[bytes | None] = set(db.scalars(select(Token.digest).where(Token.digest.in_(digests))))
    named = {forms.name(record.kept.how, record.kept.row) for _, record in batch if record.kept.digest is None}
    taken |= set(db.scalars(select(ForeignToken.name).where(ForeignToken.name.in_(named))))
    made, marks = [], []
    for key, (line, record) in zip(keys, batch, strict=True):
        if key in known:
            desk.count("tokens", new=False)
            continue
        if record.ended or (record.expires_at is not None and record.expires_at <= clock.now()):
            desk.ended += 1
            continue
        try:
            mark = _mark(desk, record, key, taken)
            made.append(_row(desk, book, record, mark))
        except BadLine as error:
            desk.skip("tokens", line, f"token {record.id[:40]}: {error}")
            continue
        marks.append(mark)
        known.add(key)
    db.flush()
    if made:
        db.execute(insert(Token), made)
        db.execute(insert(ForeignToken), marks)
    desk.counts["tokens"].new += len(made)


def _mark(desk: Desk, record: TokenRecord, key: bytes, taken: set[bytes | None]) -> dict[str, Any]:
    """What is kept of the other system's row."""
    if record.left_out:
        raise BadLine(record.left_out)
    kept = record.kept
    name = forms.name(kept.how, kept.row) if kept.digest is None else None
    if (kept.digest or name) in taken:
        raise BadLine("another token here has the same string, or the same name of its row")
    if kept.digest is None and not kept.proof and not kept.asked and desk.signer_id is None:
        raise BadLine("it is signed: name the key with --public-key")
    taken.add(kept.digest or name)
    return {
        "key": key,
        "token_id": new_id("tok"),
        "name": name,
        # No string has it: the token opens nothing until its own is seen.
        "placeholder": None if name is None else credentials.digest(credentials.opaque()),
        "proof": kept.proof or None,
        "whole": kept.whole,
        "signer_id": desk.signer_id if name is not None and not kept.proof and not kept.asked else None,
        "imported_at": clock.now(),
    }


def _row(desk: Desk, book: Book, record: TokenRecord, mark: dict[str, Any]) -> dict[str, Any]:
    """The row of a token. Raises `BadLine`."""
    wanted = desk.scopes(record.scopes)
    personal = not record.app or record.app in desk.personal
    if not personal:
        wanted -= scopes.CREDENTIAL
    if not wanted:
        raise BadLine(NO_SCOPES)
    kind = Kind.DEVELOPER if personal else Kind(record.kind or Kind.ACCESS)
    grant, user_id = None, book.user(record.user) if record.user or personal else None
    resource, addresses, ends_at = _resource(record.resource), _ranges(record.addresses), record.expires_at
    if not personal:
        grant, wanted = book.sign_in(record, user_id, wanted, resource)
    if kind is Kind.REFRESH:
        ends_at = ends_at or clock.now() + REFRESH_IDLE
    return {
        "id": mark["token_id"],
        "kind": kind.value,
        "digest": mark["placeholder"] or record.kept.digest,
        "last4": record.last4 or UNKNOWN,
        "user_id": user_id,
        "grant_id": grant,
        "description": _description(record) if personal else None,
        "scope": scopes.serialize(wanted),
        "resource": resource if personal else None,
        "allowed_addresses": addresses,
        "created_at": record.created_at or clock.now(),
        "counted_since": clock.now(),
        "created_address": "",
        "created_agent": IMPORTED,
        "expires_at": ends_at,
    }


def _description(record: TokenRecord) -> str:
    try:
        return texts.line(record.description[:LONGEST_DESCRIPTION], LONGEST_DESCRIPTION)
    except texts.BadText:
        return "Imported token"


def _ranges(written: str) -> str | None:
    try:
        return ranges.check(written.split()) if written else None
    except BadRange:
        raise BadLine("its address ranges are none") from None


def _resource(written: str) -> str | None:
    if not written:
        return None
    if len(resources.held(written)) < len(set(written.split())):
        raise BadLine("it is for a resource that is not here")
    return written

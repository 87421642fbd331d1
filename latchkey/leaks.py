"""Credentials that somebody found where they do not belong: whoever holds one may end it (I-10)."""

from collections.abc import Iterable

from sqlalchemy import or_, select, update

from latchkey import clients, clock, credentials, grants, notices, tokens
from latchkey.clients import ClientSecret
from latchkey.credentials import Kind
from latchkey.db import affected, db
from latchkey.grants import EndReason
from latchkey.tokens import Token


def report(plaintext: str) -> bool:
    """End a credential of any kind and tell its owner. Whether it was a live one of ours, which callers never say."""
    kind = credentials.kind_of(plaintext)
    if kind is None:
        return False
    return _end_secret(plaintext) if kind is Kind.SECRET else _end_token(plaintext)


def report_all(plaintexts: Iterable[str]) -> None:
    """End what there is of these. Two statements find it, however many are nobody's."""
    formed = {credentials.digest(text): text for text in plaintexts if credentials.kind_of(text) is not None}
    kept = {
        digest
        for column in (Token.digest, ClientSecret.digest)
        for digest in db.scalars(select(column).where(column.in_(formed)))
    }
    # In one order for everybody: two reports at once must not wait for each other's rows.
    for plaintext in sorted(formed[digest] for digest in kept):
        report(plaintext)


def _end_token(plaintext: str) -> bool:
    token = tokens.find(plaintext)
    if token is None or token.status != "active" or token.consumed_at is not None:
        return False
    grant = token.grant
    if (grant is not None and not grant.live) or not tokens.revoke(token):
        return False
    if grant is not None and token.kind == Kind.REFRESH:
        # Its holder may have access tokens of it already (RFC 7009 §2.1).
        grants.end(grant.id, EndReason.REPORTED)
    owner = token.user or (grant.client.owner if grant else None)
    if owner is not None:
        notices.token_reported(owner, token)
    return True


def _end_secret(plaintext: str) -> bool:
    digest, now = credentials.digest(plaintext), clock.now()
    live = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now)
    secret = db.scalar(select(ClientSecret).where(ClientSecret.digest == digest))
    client = clients.find(secret.client_id) if secret is not None else None
    if client is None or not affected(
        update(ClientSecret).where(ClientSecret.digest == digest, live).values(expires_at=now)
    ):
        return False
    notices.app_secret_removed(client.owner, client)
    return True

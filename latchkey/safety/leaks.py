"""Credentials that somebody found where they do not belong: whoever holds one may end it (I-10)."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from sqlalchemy import or_, select, update

from latchkey import clients, clock, credentials, grants, notices, origin, tokens
from latchkey.accounts import users
from latchkey.clients import Client, ClientSecret
from latchkey.credentials import Kind
from latchkey.grants import EndReason
from latchkey.origin import Actor, Doer
from latchkey.safety import shutdown
from latchkey.store.session import affected, db
from latchkey.tokens import Token, canaries
from latchkey.tokens.canaries import Canary
from latchkey.tokens.imported import lookup
from latchkey.tokens.issued import device_answers
from latchkey.tokens.issued.device_codes import DeviceCode


def report(plaintext: str, place: str = "") -> bool:
    """End a credential of any kind and tell its owner. Returns whether it was active; callers must not disclose this.

    `place` is the address where it was found, if whoever says so is known.
    """
    kind = credentials.kind_of(plaintext)
    if kind is None and not credentials.may_be_foreign(plaintext):
        return False
    origin.act(Actor(Doer.OTHER))
    if kind is Kind.DEVICE:
        return _end_device(plaintext)
    if kind is Kind.SECRET:
        return _end_secret(plaintext, place)
    # Imported strings have no form of their own, so what they are is not known beforehand.
    return _end_token(plaintext, place) or (kind is None and _end_secret(plaintext, place))


def known(plaintexts: Iterable[str]) -> set[str]:
    """Those of these that are or were credentials of ours. As few statements, however many are nobody's."""
    ours = (text for text in plaintexts if credentials.kind_of(text) or credentials.may_be_foreign(text))
    formed = {credentials.digest(text): text for text in ours}
    columns = (Token.digest, ClientSecret.digest, DeviceCode.digest, Canary.digest)
    kept = (select(column).where(column.in_(formed)) for column in columns)
    return {formed[digest] for statement in kept for digest in db.scalars(statement)}


def learned(plaintexts: Iterable[str]) -> Iterator[str]:
    """Those of these that are the strings of imported tokens which were never used here, and are known by them now.

    One after the other, as each is proved, for the caller to end. Raises `TooMany` where one is not looked at.
    """
    return filter(lookup.proved, lookup.naming(plaintexts))


def report_all(found: Iterable[str], places: Mapping[str, str] = MappingProxyType({})) -> Iterator[int]:
    """End these of ours; yields after each for the caller to commit, since others write meanwhile.

    They belong to anybody: several in one transaction would lock users after what hangs on others (conflicts). `places`
    says where they were found.
    """
    for text in sorted(found):
        yield report(text, places.get(text, ""))


def end(token: Token) -> list[Client]:
    """End a token that has leaked and what it made, and suspend the apps that were made or changed with it; those."""
    if token.user_id is not None:
        users.lock(token.user_id)
    tokens.revoke(token)
    return shutdown.after_leak(tokens.traces.made_or_changed(token))


def _end_token(plaintext: str, place: str) -> bool:
    token = tokens.find(plaintext)
    if token is None:
        # Whoever found a canary has been where its owner had put it.
        canaries.look(credentials.digest(plaintext), origin.current.get().address)
    if token is None or (token.grant is not None and not token.grant.live):
        return False
    owner = token.user or (token.grant.client.owner if token.grant else None)
    if token.user_id is not None:
        # The first of all locks, so that two reports of one string come one after the other. Its token may have been
        # regenerated meanwhile: then its former string leaked.
        users.lock(token.user_id)
        token = tokens.find(plaintext) or token
    if not (_end_grant(token) if token.kind == Kind.REFRESH else _end_bearer(token)):
        return False
    apps = shutdown.after_leak(tokens.traces.made_or_changed(token))
    if owner is not None:
        notices.token_reported(owner, token, apps, place)
    return True


def _end_bearer(token: Token) -> bool:
    return not token.ended and token.consumed_at is None and tokens.revoke(token)


def _end_grant(token: Token) -> bool:
    """What came of it ends too: its holder may have that (RFC 7009 §2.1).

    A retired one may have been copied before it was: as with a replay, nobody can tell who holds its successor.
    """
    return token.grant_id is not None and grants.end(token.grant_id, EndReason.REPORTED)


def _end_device(plaintext: str) -> bool:
    """A code of a device is good for minutes, and nobody's until somebody agreed: there is no owner to tell."""
    code = device_answers.end(credentials.digest(plaintext))
    if code is None:
        return False
    if code.grant_id is not None:
        grants.end(code.grant_id, EndReason.REPORTED)
    return True


def _end_secret(plaintext: str, place: str) -> bool:
    digest, now = credentials.digest(plaintext), clock.now()
    live = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now)
    secret = db.scalar(select(ClientSecret).where(ClientSecret.digest == digest))
    client = clients.lock(secret.client_id) if secret is not None else None
    if client is None or not affected(
        update(ClientSecret).where(ClientSecret.digest == digest, live).values(expires_at=now)
    ):
        return False
    notices.app_secret_removed(client.owner, client, place)
    return True

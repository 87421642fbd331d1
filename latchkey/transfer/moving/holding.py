"""Authorizations and tokens that come in, under users and apps that did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from latchkey import clock, credentials, resources, scopes, texts
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Authorization, Grant
from latchkey.grants.record import ABSOLUTE
from latchkey.ids import new_id
from latchkey.store.session import db
from latchkey.tokens import LONGEST_DESCRIPTION, Token, ranges
from latchkey.tokens.imported import forms
from latchkey.tokens.imported.record import ForeignRecord, ForeignToken
from latchkey.tokens.ranges import BadRange
from latchkey.transfer.moving.desk import Desk, before, clients_here, users_here
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import AuthorizationRecord, TokenRecord

AGENT = "latchkey import"
UNKNOWN = "····"


def bring_authorizations(desk: Desk, batch: Sequence[tuple[int, AuthorizationRecord]]) -> None:
    """Keep what users let apps do; what they took back here stays taken back."""
    book = _Book(desk, [record for _, record in batch])
    for line, record in batch:
        try:
            new = book.agreed(record)
        except BadLine as error:
            desk.skip("authorizations", line, f"authorization of user {record.user}: {error}")
            continue
        desk.counts["authorizations"].new += new
        desk.counts["authorizations"].known += not new
    db.flush()


def bring_tokens(desk: Desk, batch: Sequence[tuple[int, TokenRecord]]) -> None:
    """Keep the tokens that still work there."""
    keys = [desk.key("token", record.id, record.kept.identity) for _, record in batch]
    book = _Book(desk, [record for _, record in batch])
    known = set(db.scalars(select(ForeignToken.key).where(ForeignToken.key.in_(keys))))
    digests = {record.kept.digest for _, record in batch if record.kept.digest is not None}
    taken: set[bytes | None] = set(db.scalars(select(Token.digest).where(Token.digest.in_(digests))))
    named = {forms.name(record.kept.how, record.kept.row) for _, record in batch if record.kept.digest is None}
    taken |= set(db.scalars(select(ForeignToken.name).where(ForeignToken.name.in_(named))))
    made, marks = [], []
    for key, (line, record) in zip(keys, batch, strict=True):
        if key in known:
            desk.counts["tokens"].known += 1
            continue
        if record.ended or (record.expires_at is not None and record.expires_at <= clock.now()):
            desk.ended += 1
            continue
        try:
            mark = _mark(desk, record, key, taken)
            made.append(book.token(record, mark))
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


class _Book:
    """Users, apps, authorizations and sign-ins of one batch."""

    def __init__(self, desk: Desk, records: Sequence[AuthorizationRecord | TokenRecord]) -> None:
        self._desk = desk
        self._users = users_here(filter(None, (desk.users.get(record.user) for record in records)))
        self._clients = clients_here(filter(None, (desk.apps.get(record.app) for record in records)))
        pairs = select(Authorization).where(
            Authorization.user_id.in_(self._users), Authorization.client_id.in_(self._clients)
        )
        self.standing = {(found.user_id, found.client_id): found for found in db.scalars(pairs)}
        keys = (self._sign_in_key(each) for each in records if isinstance(each, TokenRecord))
        self._sign_ins = before(key for key in keys if key is not None)
        live = select(Grant.id).where(Grant.id.in_(self._sign_ins.values()), Grant.ended_at.is_(None))
        self._live = set(db.scalars(live))

    def _sign_in_key(self, record: TokenRecord) -> bytes | None:
        # One belongs to one user and one app, whatever a file says.
        return self._desk.key("sign-in", record.sign_in.id, record.user, record.app) if record.sign_in else None

    def user(self, id: str) -> str:
        """Ours. Raises `BadLine`."""
        found = self._users.get(self._desk.users.get(id, ""))
        if found is None or found.disabled_at is not None:
            raise BadLine("its user did not come in")
        return found.id

    def app(self, id: str) -> Client:
        """Ours. Raises `BadLine`."""
        found = self._clients.get(self._desk.apps.get(id, ""))
        if found is None or found.suspended_at is not None:
            raise BadLine("its app did not come in")
        return found

    def agreed(self, record: AuthorizationRecord) -> bool:
        """Keep what a user let an app do; whether that is new. Raises `BadLine`."""
        user_id, client = self.user(record.user), self.app(record.app)
        wanted = self._desk.scopes(record.scopes) - scopes.CREDENTIAL
        if not wanted:
            raise BadLine("none of its scopes is known here: name them with --scope")
        new = (user_id, client.id) not in self.standing
        self._authorize(user_id, client, wanted, record.created_at, record.expires_at)
        return new

    def _authorize(
        self,
        user_id: str,
        client: Client,
        wanted: frozenset[str],
        since: datetime | None,
        until: datetime | None = None,
    ) -> Authorization:
        """What a user lets an app do, with these scopes among them. Raises `BadLine` where it was taken back here."""
        found = self.standing.get((user_id, client.id))
        if found is not None and not found.live:
            raise BadLine("the user took it back here")
        if found is None:
            found = Authorization(
                id=new_id("ath"), user_id=user_id, client_id=client.id, scope="", expires_at=until,
                created_at=since or clock.now(), updated_at=clock.now(),
            )  # fmt: skip
            db.add(found)
            self.standing[user_id, client.id] = found
        if not wanted <= found.scopes:
            found.scope = scopes.serialize(found.scopes | wanted)
        if not wanted <= client.scopes:
            client.scope = scopes.serialize(client.scopes | wanted)
        return found

    def token(self, record: TokenRecord, mark: dict[str, Any]) -> dict[str, Any]:
        """The row of a token. Raises `BadLine`."""
        wanted = self._desk.scopes(record.scopes)
        personal = not record.app or record.app in self._desk.personal
        if not personal:
            wanted -= scopes.CREDENTIAL
        if not wanted:
            raise BadLine("none of its scopes is known here: name them with --scope")
        kind = Kind.DEVELOPER if personal else Kind(record.kind or Kind.ACCESS)
        grant, user_id = None, self.user(record.user) if record.user or personal else None
        resource = _resource(record.resource)
        if not personal:
            grant = self._grant(record, user_id, self.app(record.app), wanted, resource)
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
            "allowed_addresses": _ranges(record.addresses),
            "created_at": record.created_at or clock.now(),
            "counted_since": clock.now(),
            "created_address": "",
            "created_agent": AGENT,
            "expires_at": record.expires_at,
        }

    def _grant(
        self, record: TokenRecord, user_id: str | None, client: Client, wanted: frozenset[str], resource: str | None
    ) -> str:
        """The sign-in that a token belongs to; one that came before, or a new one."""
        key = self._sign_in_key(record)
        if key in self._sign_ins:
            if self._sign_ins[key] not in self._live:
                raise BadLine("its sign-in has ended here")
            return self._sign_ins[key]
        authorization = self._authorize(user_id, client, wanted, record.created_at) if user_id else None
        if authorization is None and not wanted <= client.scopes:
            client.scope = scopes.serialize(client.scopes | wanted)
        ends_at = record.sign_in.expires_at if record.sign_in else record.expires_at
        grant = Grant(
            id=new_id("grt"),
            client_id=client.id,
            user_id=user_id,
            authorization_id=authorization.id if authorization else None,
            scope=scopes.serialize(wanted),
            resource=resource,
            created_at=record.created_at or clock.now(),
            expires_at=ends_at or clock.now() + ABSOLUTE,
        )
        db.add(grant)
        if key is not None:
            db.add(ForeignRecord(key=key, became=grant.id))
            self._sign_ins[key] = grant.id
            self._live.add(grant.id)
        return grant.id


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

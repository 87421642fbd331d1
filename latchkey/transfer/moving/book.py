"""Users, apps, authorizations and sign-ins under which a batch comes in.

What somebody agreed to here, or took back, is never more afterwards: only what an import brought, and nobody has
touched since, grows with the tokens that belong to it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from latchkey import clock, scopes
from latchkey.clients import Client
from latchkey.grants import Authorization, Grant
from latchkey.grants.record import ABSOLUTE
from latchkey.ids import new_id
from latchkey.store.session import db
from latchkey.tokens.imported.record import ForeignRecord
from latchkey.transfer.moving.desk import Desk, before, clients_here, users_here
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import AuthorizationRecord, TokenRecord

NO_SCOPES = "none of its scopes is known here: name them with --scope"
LESS = "its app may have none of its scopes here"


class Book:
    """What is here of one batch, and what it adds."""

    def __init__(self, desk: Desk, records: Sequence[AuthorizationRecord | TokenRecord]) -> None:
        self._desk = desk
        self._users = users_here(filter(None, (desk.users.get(record.user) for record in records)))
        self._clients = clients_here(filter(None, (desk.apps.get(record.app) for record in records)))
        pairs = select(Authorization).where(
            Authorization.user_id.in_(self._users), Authorization.client_id.in_(self._clients)
        )
        self._standing = {(found.user_id, found.client_id): found for found in db.scalars(pairs)}
        self._brought = set(before(self._pair_key(record.user, record.app) for record in records).values())
        keys = (self._sign_in_key(each) for each in records if isinstance(each, TokenRecord))
        self._sign_ins = before(key for key in keys if key is not None)
        live = select(Grant).where(Grant.id.in_(self._sign_ins.values()), Grant.ended_at.is_(None))
        self._live = {grant.id: grant for grant in db.scalars(live)}

    def _sign_in_key(self, record: TokenRecord) -> bytes | None:
        # One belongs to one user and one app, whatever a file says.
        return self._desk.key("sign-in", record.sign_in.id, record.user, record.app) if record.sign_in else None

    def _pair_key(self, user: str, app: str) -> bytes:
        return self._desk.key("authorization", user, app)

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
        known = self._desk.scopes(record.scopes) - scopes.CREDENTIAL
        if not known:
            raise BadLine(NO_SCOPES)
        new = (user_id, client.id) not in self._standing
        if not known & client.scopes:
            raise BadLine(LESS)
        found = self._authorize(record, user_id, client, known & client.scopes, record.expires_at)
        if new:
            found.unasked_scope = scopes.serialize(found.scopes & frozenset(record.unasked))
        return new

    def _authorize(
        self,
        record: AuthorizationRecord | TokenRecord,
        user_id: str,
        client: Client,
        wanted: frozenset[str],
        until: datetime | None = None,
    ) -> Authorization:
        """What a user lets an app do. Raises `BadLine` where it was taken back here."""
        found = self._standing.get((user_id, client.id))
        if found is not None and not found.live:
            raise BadLine("the user took it back here")
        if found is None:
            since = record.created_at or clock.now()
            found = Authorization(
                id=new_id("ath"), user_id=user_id, client_id=client.id, scope="", expires_at=until,
                created_at=since, updated_at=since,
            )  # fmt: skip
            db.add(found)
            self._keep(self._pair_key(record.user, record.app), found.id)
            self._standing[user_id, client.id] = found
            self._brought.add(found.id)
        # Whoever agreed here has a later moment there.
        if found.id in self._brought and found.updated_at == found.created_at and not wanted <= found.scopes:
            found.scope = scopes.serialize(found.scopes | wanted)
        return found

    def _keep(self, key: bytes, became: str) -> None:
        kept = db.get(ForeignRecord, key)
        if kept is None:
            db.add(ForeignRecord(key=key, became=became))
        else:
            kept.became = became

    def sign_in(
        self, record: TokenRecord, user_id: str | None, wanted: frozenset[str], resource: str | None
    ) -> tuple[str, frozenset[str]]:
        """The sign-in that a token belongs to, and what of its scopes it may have here. Raises `BadLine`."""
        client, key = self.app(record.app), self._sign_in_key(record)
        if key in self._sign_ins and self._sign_ins[key] not in self._live:
            raise BadLine("its sign-in has ended here")
        allowed, authorization = wanted & client.scopes, None
        if user_id and allowed:
            authorization = self._authorize(record, user_id, client, allowed)
            allowed &= authorization.scopes
        if not allowed:
            raise BadLine(LESS)
        if key in self._sign_ins:
            grant = self._live[self._sign_ins[key]]
            grant.scope = scopes.serialize(grant.scopes | allowed)
        else:
            ends_at = record.sign_in.expires_at if record.sign_in else record.expires_at
            grant = Grant(
                id=new_id("grt"),
                client_id=client.id,
                user_id=user_id,
                authorization_id=authorization.id if authorization else None,
                scope=scopes.serialize(allowed),
                resource=resource,
                created_at=record.created_at or clock.now(),
                expires_at=ends_at or clock.now() + ABSOLUTE,
            )
            self._begin(grant, key)
        return grant.id, allowed

    def _begin(self, grant: Grant, key: bytes | None) -> None:
        db.add(grant)
        if key is not None:
            self._keep(key, grant.id)
            self._sign_ins[key] = grant.id
            self._live[grant.id] = grant

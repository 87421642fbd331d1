"""A confidential client's secrets: made, recognised, replaced without an outage."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, or_, select, update

from latchkey import clock, credentials
from latchkey.accounts.users import User
from latchkey.clients import rules
from latchkey.clients.keys import record as keys
from latchkey.clients.record import Client, ClientSecret, lock
from latchkey.clients.rules import BadClient
from latchkey.store.drivers.transactions import transaction
from latchkey.store.prepared import PreparedWrite
from latchkey.store.session import UtcDateTime, affected, db

OVERLAP = timedelta(hours=24)
LIVE_SECRETS = 2


def live_secrets(client: Client) -> list[ClientSecret]:
    """The secrets that work, the newest first."""
    statement = select(ClientSecret).where(ClientSecret.client_id == client.id).order_by(ClientSecret.id.desc())
    return [secret for secret in db.scalars(statement) if secret.live]


def add_secret(client: Client) -> str:
    """A further secret's plaintext, which exists only here."""
    plaintext = credentials.generate(credentials.Kind.SECRET)
    db.add(ClientSecret(client_id=client.id, digest=credentials.digest(plaintext), last4=plaintext[-4:]))
    db.flush()
    db.expire(client, ["secrets"])
    return plaintext


class AlreadyRotated(Exception):
    """The secret that was to be replaced is not the newest one any more."""


def rotate_secret(client: Client, *, by: User | None, newest: str | None = None) -> str:
    """A new secret's plaintext; the one before works 24 hours more, older ones end at once (D-12).

    With `newest`, the id of the secret that whoever asks has seen last, a request that is sent twice rotates once; it
    is empty when none was live. Raises `BadClient` for a public client, `OnlyAdministrator` and `AlreadyRotated`.
    """
    if not client.confidential:
        raise BadClient(confidential="A public app has no secret.")
    if client.keyed:
        raise BadClient(confidential="This app proves itself by its own keys, so it has no secret.")
    rules.spare(client, by, "secret")
    lock(client.id)
    _hold(client)
    live, now = live_secrets(client), clock.now()
    if newest is not None and newest != (live[0].id if live else ""):
        raise AlreadyRotated
    for secret in live[LIVE_SECRETS - 1 :]:
        db.delete(secret)
    for secret in live[: LIVE_SECRETS - 1]:
        secret.expires_at = min(secret.expires_at or now + OVERLAP, now + OVERLAP)
    return add_secret(client)


def _hold(client: Client) -> None:
    """In the order in which others write down their use (conflicts)."""
    secrets = select(ClientSecret.id).where(ClientSecret.client_id == client.id).order_by(ClientSecret.id)
    db.execute(secrets.with_for_update())


def end_secrets(client: Client) -> bool:
    """End every secret of a client at once, and what it is known by instead; whether one worked. It is locked.

    Whoever has proved itself by one and waits for this lock begins nothing either.
    """
    _hold(client)
    client.proofs_ended += 1
    now = clock.now()
    live = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now)
    statement = update(ClientSecret).where(ClientSecret.client_id == client.id, live)
    ended = affected(statement.values(expires_at=now).execution_options(synchronize_session=False))
    db.expire(client, ["secrets"])
    return keys.end(client.id) or ended > 0


def remove_secret(client: Client, secret_id: str, *, by: User | None) -> bool:
    """End an old secret before its time; never the newest that works. Whether there was one to end.

    Raises `OnlyAdministrator`.
    """
    rules.spare(client, by, "secret")
    lock(client.id)
    old = {secret.id for secret in live_secrets(client)[1:]}
    removed = secret_id in old and affected(delete(ClientSecret).where(ClientSecret.id == secret_id)) == 1
    db.expire(client, ["secrets"])
    return removed


_used = PreparedWrite(
    update(ClientSecret)
    .where(ClientSecret.id == bindparam("secret_id"))
    .values(last_used_at=bindparam("now", type_=UtcDateTime))
)


def note_secret_use(secret_id: str) -> None:
    """Keep when a secret was last used, so that its owner sees when an old one can go (D-12)."""
    with transaction() as connection:
        _used.run(connection, {"secret_id": secret_id, "now": clock.now()})


# Uses of secrets by calls that only read: they are written once a second, so that such a call waits for no lock.
_pending: dict[str, datetime] = {}


def note_secret_use_soon(secret_id: str) -> None:
    """The same within a second or so."""
    _pending[secret_id] = clock.now()


def flush_secret_uses() -> int:
    """Write what was noted, in one transaction; how many. What could not be written stays noted."""
    uses = {secret_id: _pending.pop(secret_id) for secret_id in sorted(_pending)}
    if not uses:
        return 0
    try:
        with transaction() as connection:
            for secret_id, at in uses.items():
                _used.run(connection, {"secret_id": secret_id, "now": at})
    except BaseException:
        for secret_id, at in uses.items():
            _pending.setdefault(secret_id, at)
        raise
    return len(uses)

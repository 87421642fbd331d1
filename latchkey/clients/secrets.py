"""A confidential client's secrets: made, recognised, replaced without an outage."""

from datetime import timedelta

from sqlalchemy import delete, select

from latchkey import clock, credentials
from latchkey.clients.record import Client, ClientSecret
from latchkey.clients.rules import BadClient
from latchkey.db import affected, db

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


def rotate_secret(client: Client, *, newest: str | None = None) -> str:
    """A new secret's plaintext; the one before works 24 hours more, older ones end at once (D-12).

    With `newest`, the id of the secret that whoever asks has seen last, a request that is sent twice rotates once.
    Raises `BadClient` for a public client and `AlreadyRotated`.
    """
    if not client.confidential:
        raise BadClient(confidential="A public app has no secret.")
    db.execute(select(Client.id).where(Client.id == client.id).with_for_update())
    live, now = live_secrets(client), clock.now()
    if newest is not None and (not live or live[0].id != newest):
        raise AlreadyRotated
    for secret in live[LIVE_SECRETS - 1 :]:
        db.delete(secret)
    for secret in live[: LIVE_SECRETS - 1]:
        secret.expires_at = min(secret.expires_at or now + OVERLAP, now + OVERLAP)
    return add_secret(client)


def remove_secret(client: Client, secret_id: str) -> bool:
    """End an old secret before its time; never the newest one. Whether there was one to end."""
    newest = (
        select(ClientSecret.id).where(ClientSecret.client_id == client.id).order_by(ClientSecret.id.desc()).limit(1)
    )
    statement = delete(ClientSecret).where(
        ClientSecret.id == secret_id, ClientSecret.client_id == client.id, ClientSecret.id != newest.scalar_subquery()
    )
    removed = affected(statement) == 1
    db.expire(client, ["secrets"])
    return removed

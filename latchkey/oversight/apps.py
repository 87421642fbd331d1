"""What an operator does to apps: each verb, and the act that the other administrators see."""

from collections.abc import Iterator

from latchkey import clients, notices
from latchkey.clients import BadClient, Cause, Client
from latchkey.clients.keys import changing
from latchkey.clients.keys.changing import Wanted
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.safety import shutdown


def suspend(client: Client, reason: str | None) -> bool:
    """Stop an app and tell its owner; whether it was not stopped by an operator already."""
    if not shutdown.suspend(client, Cause.ADMINISTRATOR, reason):
        return False
    acts.record(ActKind.APP_SUSPENDED, client.id, client.name)
    return True


def restore(client: Client) -> None:
    """Lift every cause but the suspension of the owner."""
    lifted = clients.causes(client) - {Cause.OWNER}
    for cause in sorted(lifted):
        shutdown.restore(client, cause)
    if lifted:
        acts.record(ActKind.APP_RESTORED, client.id, client.name)


def delete(client: Client) -> Iterator[int]:
    """Delete an app, in parts for the caller to commit; yields how many users each part told."""
    client_id, name = client.id, client.name
    yield from shutdown.delete(client)
    acts.record(ActKind.APP_DELETED, client_id, name)


def trust(client: Client, *, on: bool) -> bool:
    """Let an app skip the consent screen, or not; whether that is new. The client is locked. Raises `BadClient`."""
    if not clients.trust(client, on=on):
        return False
    notices.app_changed(client.owner, client, ["trusted"])
    acts.record(ActKind.APP_TRUSTED if on else ActKind.APP_DISTRUSTED, client.id, client.name)
    return True


def mark(client: Client, *, on: bool) -> bool:
    """Mark an app as a resource server, or not; whether that is new. The client is locked. Raises `BadClient`."""
    if not clients.mark_resource_server(client, on=on):
        return False
    notices.app_changed(client.owner, client, ["resource_server"])
    acts.record(ActKind.APP_MARKED if on else ActKind.APP_UNMARKED, client.id, client.name)
    return True


def pin(client: Client, *, on: bool) -> bool:
    """Keep what an app's own document said when it was read last, or follow it again; whether that is new.

    The client is locked. Raises `BadClient`.
    """
    if not clients.pin(client, on=on):
        return False
    acts.record(ActKind.APP_PINNED if on else ActKind.APP_UNPINNED, client.id, client.name)
    return True


def give_keys(client: Client, wanted: Wanted | None) -> bool:
    """Let an app prove itself by these keys, or by a secret again; whether that is new. Raises `BadClient`."""
    if client.document_url is not None:
        raise BadClient(jwks="This app's metadata document says by which keys it proves itself, and it has no secret.")
    new = changing.take(client, by=None) if wanted is None else changing.give(client, wanted, by=None)
    if new:
        notices.app_keys_changed(client.owner, client)
        acts.record(ActKind.APP_KEYS_CHANGED, client.id, client.name)
    return new


def rotate(client: Client) -> str:
    """Give an app another secret; its plaintext. The client is locked. Raises `BadClient`."""
    secret = clients.rotate_secret(client, by=None)
    notices.app_secret_rotated(client.owner, client)
    acts.record(ActKind.APP_SECRET_ROTATED, client.id, client.name)
    return secret

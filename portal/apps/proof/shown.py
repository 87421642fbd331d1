"""What people recognise an app's keys by."""

from latchkey.clients import Client
from latchkey.clients.keys import record, sets


def shown(client: Client) -> list[dict[str, str]]:
    """Each key's name, what it is for, and what it is known by whatever its name."""
    found = record.find(client.id) if client.keyed else None
    return [_named(key) for key in found.keys] if found is not None else []


def _named(key: sets.Jwk) -> dict[str, str]:
    return {"kid": key.get("kid", ""), "algorithm": sets.algorithm(key), "thumbprint": sets.thumbprint(key)}

"""Door 2: the OAuth 2 protocol."""

from oauth import codes, consent, deciding, endpoints, introspection, metadata, pending
from oauth.blueprint import blueprint
from oauth.shortcut import AT_ONCE, WRITES

__all__ = [
    "AT_ONCE",
    "WRITES",
    "blueprint",
    "codes",
    "consent",
    "deciding",
    "endpoints",
    "introspection",
    "metadata",
    "pending",
]

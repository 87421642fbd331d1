"""Door 2: the OAuth 2 protocol."""

from oauth import codes, consent, endpoints, introspection, metadata, pending
from oauth.blueprint import blueprint
from oauth.shortcut import Shortcut

__all__ = [
    "Shortcut",
    "blueprint",
    "codes",
    "consent",
    "endpoints",
    "introspection",
    "metadata",
    "pending",
]

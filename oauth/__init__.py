"""Door 2: the OAuth 2 protocol."""

from oauth import check, codes, consent, endpoints, introspection, metadata, pending
from oauth.blueprint import blueprint

__all__ = [
    "blueprint",
    "check",
    "codes",
    "consent",
    "endpoints",
    "introspection",
    "metadata",
    "pending",
]

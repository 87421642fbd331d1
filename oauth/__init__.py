"""Door 2: the OAuth 2 protocol."""

from oauth import check, codes, consent, endpoints, introspection, metadata, pending
from oauth.blueprint import blueprint

# Where people, not programs, come: these look at cookies, and their changes need a CSRF token.
BROWSER_ENDPOINTS = frozenset({"oauth.authorize", "oauth.decide"})

__all__ = [
    "BROWSER_ENDPOINTS",
    "blueprint",
    "check",
    "codes",
    "consent",
    "endpoints",
    "introspection",
    "metadata",
    "pending",
]

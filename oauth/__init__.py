"""The OAuth 2 protocol."""

from oauth import authorize, endpoints
from oauth.authorize import pending
from oauth.blueprint import blueprint
from oauth.endpoints.shortcut import AT_ONCE, WRITES
from oauth.token import codes

__all__ = ["AT_ONCE", "WRITES", "authorize", "blueprint", "codes", "endpoints", "pending"]

"""The OAuth 2 protocol."""

from oauth import authorize, device, endpoints, workshop
from oauth.authorize import pending
from oauth.blueprint import blueprint
from oauth.token import codes

__all__ = ["authorize", "blueprint", "codes", "device", "endpoints", "pending", "workshop"]

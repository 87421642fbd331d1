"""Door 3: programs, in JSON."""

from api import activity, apps, authorizations, credentials, me, openapi, scopes, token, tokens
from api.blueprint import blueprint
from api.shortcut import Shortcut

__all__ = [
    "Shortcut",
    "activity",
    "apps",
    "authorizations",
    "blueprint",
    "credentials",
    "me",
    "openapi",
    "scopes",
    "token",
    "tokens",
]

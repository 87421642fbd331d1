"""Door 3: programs, in JSON."""

from api import activity, apps, authorizations, credentials, me, openapi, scopes, token, tokens
from api.blueprint import blueprint

__all__ = [
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

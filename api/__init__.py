"""The API for programs, in JSON."""

from api import (
    activity,
    alerts,
    apps,
    authorizations,
    credentials,
    mcp,
    me,
    scopes,
    token,
    token_renewal,
    token_usage,
    tokens,
)
from api.kit import openapi
from api.kit.blueprint import blueprint

__all__ = [
    "activity",
    "alerts",
    "apps",
    "authorizations",
    "blueprint",
    "credentials",
    "mcp",
    "me",
    "openapi",
    "scopes",
    "token",
    "token_renewal",
    "token_usage",
    "tokens",
]

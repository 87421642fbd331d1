"""Door 1: people, in HTML."""

from portal import (
    edit_token,
    health,
    new_token,
    recovery,
    settings,
    settings_email,
    settings_sessions,
    signin,
    signup,
    tokens,
    verification,
    welcome,
)
from portal.blueprint import blueprint

__all__ = [
    "blueprint",
    "edit_token",
    "health",
    "new_token",
    "recovery",
    "settings",
    "settings_email",
    "settings_sessions",
    "signin",
    "signup",
    "tokens",
    "verification",
    "welcome",
]

"""A person's own settings."""

from portal.settings import data, email, index, passkeys, security, sessions

__all__ = ["data", "email", "index", "passkeys", "security", "sessions"]

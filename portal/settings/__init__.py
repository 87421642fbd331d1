"""A person's own settings."""

from portal.settings import data, email, index, security, sessions

__all__ = ["data", "email", "index", "security", "sessions"]

"""A person's own settings."""

from portal.settings import email, index, sessions

__all__ = ["email", "index", "sessions"]

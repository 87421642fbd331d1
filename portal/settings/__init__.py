"""A person's own settings."""

from portal.settings import email, index, security, sessions

__all__ = ["email", "index", "security", "sessions"]

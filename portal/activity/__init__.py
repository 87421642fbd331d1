"""What happened in an account."""

from portal.activity import index

__all__ = ["index"]

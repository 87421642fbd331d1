"""The endpoints that programs call."""

from oauth.endpoints import introspection, metadata, token

__all__ = ["introspection", "metadata", "token"]

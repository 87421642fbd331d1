"""The endpoints that programs call."""

from oauth.endpoints import check, introspection, metadata, token

__all__ = ["check", "introspection", "metadata", "token"]

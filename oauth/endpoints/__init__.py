"""The endpoints that programs call."""

from oauth.endpoints import check, introspection, metadata, registration, token

__all__ = ["check", "introspection", "metadata", "registration", "token"]

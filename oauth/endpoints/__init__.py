"""The endpoints that programs call."""

from oauth.endpoints import check, device, endings, introspection, metadata, registration, token

__all__ = ["check", "device", "endings", "introspection", "metadata", "registration", "token"]

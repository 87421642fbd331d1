"""The endpoints that programs call."""

from oauth.endpoints import check, device, introspection, metadata, registration, token

__all__ = ["check", "device", "introspection", "metadata", "registration", "token"]

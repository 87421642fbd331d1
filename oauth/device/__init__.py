"""Signing in a device by its code (RFC 8628): the page where people type it, and the question that follows."""

from oauth.device import deciding, page

__all__ = ["deciding", "page"]

"""How an app proves itself: by secrets, or by keys of its own."""

from portal.apps.proof import keys, secrets

__all__ = ["keys", "secrets"]

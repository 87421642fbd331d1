"""Door 2: the OAuth 2 protocol."""

from oauth.blueprint import blueprint

__all__ = ["blueprint"]

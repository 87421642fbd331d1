"""Developer tokens."""

from portal.tokens import edit, index, least, new, pasted, revoke_all

__all__ = ["edit", "index", "least", "new", "pasted", "revoke_all"]

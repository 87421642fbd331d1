"""Developer tokens."""

from portal.tokens import edit, index, new, pasted, revoke_all

__all__ = ["edit", "index", "new", "pasted", "revoke_all"]

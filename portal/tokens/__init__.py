"""Developer tokens."""

from portal.tokens import edit, index, least, new, pasted, regenerate, revoke_all, revoke_many

__all__ = ["edit", "index", "least", "new", "pasted", "regenerate", "revoke_all", "revoke_many"]

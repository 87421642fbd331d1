"""Door 3: programs, in JSON."""

from api import me, scopes, token
from api.blueprint import blueprint

__all__ = ["blueprint", "me", "scopes", "token"]

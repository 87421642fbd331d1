"""Door 3: programs, in JSON."""

from api.blueprint import blueprint

__all__ = ["blueprint"]

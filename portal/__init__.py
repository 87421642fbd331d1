"""Door 1: people, in HTML."""

from portal.blueprint import blueprint

__all__ = ["blueprint"]

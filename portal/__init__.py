"""Door 1: people, in HTML."""

from portal import (
    edit_token,
    new_token,
    tokens,
)
from portal.blueprint import blueprint

__all__ = [
    "blueprint",
    "edit_token",
    "new_token",
    "tokens",
]

"""Libraries that are heavy and seldom needed: each is loaded when something of it is first asked for.

A file says what it uses by an import for the type checker, and takes it from here when it runs:

    if TYPE_CHECKING:
        import zxcvbn
    else:
        zxcvbn = Late("zxcvbn")

This is for what most processes never need, or only once. What the first page, call or sign-in needs is imported as
usual: a server loads it once, before its workers are forked.
"""

import sys
from importlib import import_module
from typing import Any


class Late:
    """Stands for a module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def loaded(name: str) -> bool:
    """Whether somebody loaded a module: before that nobody can have raised its exceptions."""
    return name in sys.modules

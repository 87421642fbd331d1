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
import threading
from importlib import import_module
from types import ModuleType
from typing import Any

# Modules import each other in circles: two threads that begin at different ends would get them half made.
_loading = threading.RLock()


class Late:
    """Stands for a module."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            with _loading:
                self._module = import_module(self._name)
        return getattr(self._module, name)


def loaded(name: str) -> bool:
    """Whether somebody loaded a module: before that nobody can have raised its exceptions."""
    return name in sys.modules

"""What is made once for everybody, until the settings or the catalogue of scopes change."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app

from latchkey import scopes, settings

Made = TypeVar("Made")


def kept(name: str, make: Callable[[], Made]) -> Made:
    """What was made under this name, or is made now."""
    made: dict[str, tuple[Any, Made]] = current_app.extensions.setdefault("latchkey.kept", {})
    state = (settings.current(), tuple(scopes.catalogue().values()))
    found = made.get(name)
    if found is None or found[0] != state:
        found = made[name] = (state, make())
    return found[1]

"""What the C library keeps of memory that was given back to it (glibc; others do it their own way)."""

import ctypes
from functools import cache
from typing import Any

# mallopt(3): each thread would get a heap of its own, with whatever its requests left there.
M_ARENA_MAX, ARENAS = -8, 2


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def settle() -> None:
    """Have all threads share few heaps; before they begin."""
    if hasattr(_library(), "mallopt"):
        _library().mallopt(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give back to the system what nobody uses."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)

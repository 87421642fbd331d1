"""Returning memory that the C library has kept after it was freed (glibc; other libraries have ways of their own)."""

import ctypes
from functools import cache
from typing import Any

# mallopt(3): otherwise threads get heaps of their own, which are never given back to the system.
M_ARENA_MAX, ARENAS = -8, 1


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def settle() -> None:
    """Let all threads share one heap. Called in the first process, since forked ones inherit its heaps."""
    if hasattr(_library(), "mallopt"):
        _library().mallopt(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Return free memory to the system."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)

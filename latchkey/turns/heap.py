"""What the C library keeps of memory that was given back to it (glibc; others do it their own way)."""

import ctypes
from functools import cache
from typing import Any

# mallopt(3): threads would get heaps of their own, with what their requests left there and nothing gives back.
M_ARENA_MAX, ARENAS = -8, 1


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def settle() -> None:
    """Have all threads share one heap; in the first process, since those that are forked inherit what there is."""
    if hasattr(_library(), "mallopt"):
        _library().mallopt(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give back to the system what nobody uses."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)

"""Argon2id in memory that a thread keeps from one hash to the next, in few and large pages where the system has them.

The library asks the C library for it each time. What a hash fills is read and written at random: in pages of 4 KiB most
of these accesses ask for where the page is, too, which takes a tenth of a hash, and more where two are made at a time.
"""

import mmap
import threading
from base64 import b64decode
from contextlib import suppress
from functools import cache
from hmac import compare_digest
from typing import Any

from argon2 import PasswordHasher
from argon2.low_level import ARGON2_VERSION, Type, core, ffi

# On Linux with x86-64, and many others.
LARGE_PAGE = 2 << 20
BLOCK = 1024
# The library's own words (argon2.h).
OK, NO_MEMORY = 0, -22


class _Memory:
    """So many bytes, in large pages if there are any."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._mapped = mmap.mmap(-1, size + LARGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # A kernel may have been built without them.
            with suppress(OSError):
                self._mapped.madvise(mmap.MADV_HUGEPAGE)
        address = int(ffi.cast("uintptr_t", ffi.from_buffer(self._mapped)))
        self.begin = ffi.cast("uint8_t *", address + -address % LARGE_PAGE)


class _Mine(threading.local):
    memory: _Memory | None = None


_mine = _Mine()


@cache
def _callbacks() -> tuple[Any, Any] | None:
    """What the library takes its memory by; None where the system lets no program make functions while it runs."""

    def lend(where: Any, size: int) -> int:
        memory = _mine.memory
        if memory is None or memory.size < size:
            return NO_MEMORY
        where[0] = memory.begin
        return OK

    def take_back(_begin: Any, _size: int) -> None:
        # It was wiped, and the next hash of this thread has it again.
        pass

    try:
        lending = ffi.callback("int(uint8_t **, size_t)", lend, error=NO_MEMORY)
        return lending, ffi.callback("void(uint8_t *, size_t)", take_back)
    except MemoryError:
        return None


def digest(secret: bytes, salt: bytes, *, length: int, passes: int, kib: int) -> bytes | None:
    """The raw hash, in one lane; None where it has to be made by the library alone."""
    callbacks = _callbacks()
    if callbacks is None:
        return None
    if _mine.memory is None or _mine.memory.size < kib * BLOCK:
        _mine.memory = _Memory(kib * BLOCK)
    out = ffi.new("uint8_t[]", length)
    lent, taken_back = callbacks
    context = ffi.new(
        "argon2_context *",
        {
            "out": out, "outlen": length,
            "pwd": ffi.from_buffer("uint8_t[]", secret), "pwdlen": len(secret),
            "salt": ffi.from_buffer("uint8_t[]", salt), "saltlen": len(salt),
            "t_cost": passes, "m_cost": kib, "lanes": 1, "threads": 1, "version": ARGON2_VERSION,
            "allocate_cbk": lent, "free_cbk": taken_back,
        },
    )  # fmt: skip
    done = core(context, Type.ID.value) == OK
    return bytes(ffi.buffer(out, length)) if done else None


def fits(hasher: PasswordHasher, stored: str, secret: bytes) -> bool:
    """Whether a stored hash is the secret's. Raises what the hasher does of one that it cannot read.

    One with other costs than the hasher's is left to it.
    """
    ours = f"$argon2id$v={ARGON2_VERSION}$m={hasher.memory_cost},t={hasher.time_cost},p=1$"
    if stored.startswith(ours):
        with suppress(ValueError):
            salt, kept = map(_decoded, stored.removeprefix(ours).split("$"))
            made = digest(secret, salt, length=len(kept), passes=hasher.time_cost, kib=hasher.memory_cost)
            if made is not None:
                return compare_digest(made, kept)
    return hasher.verify(stored, secret)


def _decoded(part: str) -> bytes:
    return b64decode(part + "=" * (-len(part) % 4), validate=True)


def give_back() -> None:
    """Let go of what this thread keeps."""
    _mine.memory = None

"""Names of processes, so that one can tell what another left behind."""

import contextlib
import os
import socket
from pathlib import Path


def name() -> str:
    """Of this process: where its number counts, and the number."""
    return f"{_world()}:{os.getpid()}"


def _world() -> str:
    host = socket.gethostname()[:50]
    with contextlib.suppress(OSError):
        # Containers may share a host's name and not its numbers (Linux).
        return f"{host}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return host


def died(named: str) -> bool:
    """Whether a process that would be seen from here is no more. Of other hosts nothing is known."""
    world, _, number = named.rpartition(":")
    return world == _world() and not _runs(int(number))


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # A zombie is only the memory of a process (Linux).
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True

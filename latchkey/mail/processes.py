"""Process identity, to detect claims of dead processes."""

import contextlib
import os
import socket
from pathlib import Path


def name() -> str:
    """This process: the PID namespace, and the process id in it."""
    return f"{_namespace()}:{os.getpid()}"


def _namespace() -> str:
    host = socket.gethostname()[:50]
    with contextlib.suppress(OSError):
        # Containers may share a host's name and not its numbers (Linux).
        return f"{host}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return host


def died(named: str) -> bool:
    """Whether a process is dead; false for one in another namespace, of which nothing is known."""
    namespace, _, number = named.rpartition(":")
    return namespace == _namespace() and not _runs(int(number))


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # A zombie has ended and is not reaped yet (Linux).
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True

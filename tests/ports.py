"""Ports for servers of tests: none is given twice, in whichever process of whichever run, nor to who wants any."""

import fcntl
import os
import socket
import tempfile
from itertools import chain
from pathlib import Path

# Below those that a system gives to connections and to listeners that do not care: between the moment when such a port
# is found free and that when a server listens there, somebody else is given it now and then.
PORTS = range(20_000, 32_000)

_start = os.getpid() * 601 % len(PORTS)
_turn = chain(PORTS[_start:], PORTS[:_start])
# A byte of it for each port, locked by the process that was given it, until that ends.
_given = (Path(tempfile.gettempdir()) / f"latchkey-ports-{os.getuid()}").open("ab")


def free_port() -> int:
    """One that nobody listens at, this process's own from now on."""
    return next(port for port in _turn if _take(port))


def _take(port: int) -> bool:
    try:
        fcntl.lockf(_given, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True

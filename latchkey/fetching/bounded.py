"""Names that are resolved and connections that are made within a deadline, however slowly the other side answers."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from functools import cache
from urllib.parse import SplitResult


class NotFetched(Exception):
    """The address may not be asked, or gave no answer that can be used; the message says why."""


def port(parts: SplitResult) -> int:
    """Where an address is answered."""
    return parts.port or (443 if parts.scheme == "https" else 80)


# Resolving a name has no timeout, so a few threads do it: some for each queue, so that slow names in one queue do not
# delay another.
@cache
def _resolvers(_queue: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, thread_name_prefix="resolver")


def resolve(parts: SplitResult, until: float, queue: str) -> list[str]:
    """The addresses of a host. Raises `NotFetched`."""
    asked = _resolvers(queue).submit(socket.getaddrinfo, parts.hostname, port(parts), type=socket.SOCK_STREAM)
    try:
        found = asked.result(max(0.0, until - time.monotonic()))
    except (OSError, UnicodeError, TooLate):
        asked.cancel()
        raise NotFetched("the name is not known") from None
    return [str(where[0]) for *_, where in found]


@contextlib.contextmanager
def connected(parts: SplitResult, address: str, until: float) -> Iterator[socket.socket]:
    """A connection to the very address that was looked at, under the name that it has."""
    connection = socket.create_connection((address, port(parts)), timeout=max(0.1, until - time.monotonic()))
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        connection = tls.wrap_socket(connection, server_hostname=parts.hostname, do_handshake_on_connect=False)
    # However slowly bytes drip in, the connection is cut in the end.
    cut = threading.Timer(max(0.1, until - time.monotonic()), _cut, [connection])
    cut.daemon = True
    with contextlib.closing(connection):
        cut.start()
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            yield connection
        finally:
            cut.cancel()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

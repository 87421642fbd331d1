"""Connections to a running server, as bytes: what no client of HTTP would send, and many at a time for little."""

import contextlib
import socket
import time

from tests import servers


class Line:
    """A connection, as bytes."""

    def __init__(self, server: servers.Server, *sent: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=120)
        self.send(*sent)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer with a length."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._more()
        return int(head[9:12]), body

    def _more(self) -> bytes:
        more = self.socket.recv(65536)
        assert more, "the connection ended"
        return more

    def ends(self) -> bool:
        """Whether the server closes it."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(65536):
                pass
        return True

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def lines(server, count: int, *sent: bytes):
    opened = [Line(server, *sent) for _ in range(count)]
    try:
        yield opened
    finally:
        for line in opened:
            line.close()


def slowest_of(server, request: bytes, count: int = 200) -> float:
    """The 99th percentile of so many quick calls, each answered with 200."""
    took = []
    with lines(server, 4) as opened:
        for number in range(count):
            started = time.perf_counter()
            opened[number % 4].send(request)
            assert opened[number % 4].answer()[0] == 200
            took.append(time.perf_counter() - started)
    return sorted(took)[int(count * 0.99) - 1]

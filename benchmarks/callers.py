"""Callers in processes of their own, which take as little of the machine as they can and tell how long answers took."""

import contextlib
import multiprocessing
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

FORKS = multiprocessing.get_context("fork")


class Line:
    """One keep-alive connection that sends the same requests over and over, each when the one before was answered."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests, self._sent, self._came = requests, 0, b""

    def send(self) -> None:
        self.socket.sendall(self._requests[self._sent % len(self._requests)])
        self._sent += 1
        self.begun = time.perf_counter()

    def receive(self) -> int | None:
        """The status, once an answer is there as a whole."""
        self._came += self.socket.recv(1 << 18)
        head, end, body = self._came.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return None
        self._came = b""
        return int(head[9:12])


def ask(port: int, requests: Sequence[Sequence[bytes]], expected: int, seconds: float, tell: Any) -> None:
    """Send what each connection has to send, in a process of its own; tell how long each answer took, and its CPU."""
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        for each in requests:
            line = Line(port, each)
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.send()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(0.1):
                line, status = key.data, key.data.receive()
                if status is None:
                    continue
                if status != expected:
                    raise SystemExit(f"{status} instead of {expected}")
                took.append(time.perf_counter() - line.begun)
                line.send()
    tell.send((took, time.process_time()))


@dataclass
class Load:
    """What some connections send to a port, how long each answer took, and what CPU it took to send and receive."""

    port: int
    requests: Sequence[Sequence[bytes]]
    expected: int = 200
    took: list[float] = field(default_factory=list)
    cpu: float = 0.0

    @contextlib.contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """Send meanwhile, for so long."""
        here, there = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=ask, args=(self.port, self.requests, self.expected, seconds, there))
        process.start()
        there.close()
        try:
            yield
            took, cpu = here.recv()
            self.took += took
            self.cpu += cpu
        finally:
            process.terminate()
            process.join()

    def rate(self, seconds: float) -> float:
        """How many were answered a second."""
        return len(self.took) / seconds

    def milliseconds(self, share: float) -> float:
        """Within which such a share of the answers came."""
        return sorted(self.took)[int(len(self.took) * share)] * 1e3

"""Starts servers, sends them requests over loopback and reads what CPU they used for it."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16
ROUNDS = 7
# A start takes one; more where others measure, too.
START_SECONDS = 180


@dataclass(frozen=True)
class Server:
    """A running server: its port and the process at the top of its tree."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time that the whole tree has used so far."""
        return sum(map(cpu_seconds, tree(self.pid)))


def tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int) -> float:
    """MiB of a process tree; what several of its processes have in common is counted once (PSS)."""
    rollups = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in tree(pid))
    return sum(int(found.partition("\nPss:")[2].split()[0]) for found in rollups) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(instance: Path) -> dict[str, str]:
    """What a process that serves an instance, or fills one, is told by its surroundings."""
    # As on an operator's machine, where what Python compiled is there the next time.
    left_out = ("LATCHKEY_", "PYTHONDONTWRITEBYTECODE")
    ours = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return ours | {"LATCHKEY_INSTANCE": str(instance)}


def python(checkout: Path) -> str:
    """The interpreter with a checkout's dependencies; ours when it has none of its own."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


@contextlib.contextmanager
def bare(instance: Path, *, workers: int = 1) -> Iterator[Server]:
    """The bare Flask application under the same server's WSGI interface."""
    with _serve(instance, f"from benchmarks.bare import serve; serve(%d, {workers})", ROOT) as server:
        yield server


@contextlib.contextmanager
def latchkey(instance: Path, *, workers: int = 1, checkout: Path = ROOT) -> Iterator[Server]:
    """Latchkey itself, as its command serves it."""
    command = f"latchkey(['serve', '--port', '%d', '--workers', '{workers}'])"
    with _serve(instance, f"from cli import latchkey; {command}", checkout) as server:
        yield server


@contextlib.contextmanager
def _serve(instance: Path, program: str, checkout: Path) -> Iterator[Server]:
    port = free_port()
    surroundings = environment(instance) | {"LATCHKEY_BASE_URL": f"http://127.0.0.1:{port}"}
    command = [python(checkout), "-c", program % port]
    with (instance / f"server-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=checkout, env=surroundings, stdout=log, stderr=log)
        try:
            _wait(port, process)
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("the server did not start; its log is in the instance folder")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An instance folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        yield Path(folder)


class Connection:
    """One keep-alive connection that sends prepared bytes and reads whole answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._left:
            self._left += self._socket.recv(65536)
        head, _, rest = self._left.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(rest) < length:
            rest += self._socket.recv(65536)
        self._left = rest[length:]
        return int(head[9:12]), rest[:length]


def get(path: str, **headers: str) -> bytes:
    """A GET as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: str, **headers: str) -> bytes:
    """A form POST as it goes over the wire."""
    headers |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body.encode()))}
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body]).encode()


class Load:
    """Requests to one server, sent in turn over some keep-alive connections; `costs` are seconds of CPU a request."""

    def __init__(self, server: Server, requests: Sequence[bytes], *, count: int) -> None:
        self.server, self.requests, self.count = server, requests, count
        self.costs: list[float] = []
        self._next = 0

    def run(self) -> None:
        """Send `count` requests, those that come next."""
        failures: list[str] = []

        def work(first: int) -> None:
            connection = Connection(self.server.port)
            for number in range(first, self.count, CONNECTIONS):
                status, body = connection.ask(self.requests[(self._next + number) % len(self.requests)])
                if status != 200:
                    failures.append(f"{status}: {body[:200]!r}")
                    return

        before = self.server.cpu_seconds()
        together(work, CONNECTIONS)
        if failures:
            raise SystemExit(f"a request failed: {failures[0]}")
        self.costs.append((self.server.cpu_seconds() - before) / self.count)
        self._next += self.count

    @property
    def cost(self) -> float:
        """The median of the rounds."""
        return median(self.costs)

    def ratio(self, yardstick: "Load") -> float:
        """How often this one's cost goes into the other's of the same round, in the median."""
        return median(theirs / ours for theirs, ours in zip(yardstick.costs, self.costs, strict=True))


def measure(*loads: Load) -> None:
    """Run all loads by turns, so that what else the machine does meets each of them; the first round warms up."""
    for _ in range(ROUNDS + 1):
        for load in loads:
            load.run()
    for load in loads:
        del load.costs[0]


def together(work: Callable[[int], None], threads: int) -> None:
    """Run `work(0)` to `work(threads - 1)` at the same time."""
    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def against_bare(*loads: Load) -> list[float]:
    """Measure loads by turns with the bare route: for each, how often its cost goes into that one's."""
    with scratch() as instance, bare(instance) as server:
        yardstick = Load(server, [get("/bare")], count=4_000)
        measure(yardstick, *loads)
    return [load.ratio(yardstick) for load in loads]


def report(name: str, ratio: float, goal: float, *figures: str) -> None:
    """One line that a person compares with the last run's."""
    verdict = "reached" if ratio >= goal else "MISSED"
    print(f"{name}: ratio {ratio:.2f} (goal {goal:.2f}, {verdict}); {', '.join(figures)}")

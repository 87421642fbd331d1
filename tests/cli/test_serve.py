"""`latchkey serve` as an operator runs it: it says where it is, stops with care, and leaves nothing behind."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import factories, servers

pytestmark = pytest.mark.slow("starts servers")
ON_ONE = pytest.mark.either_database("says where it listens, whatever it keeps things in")


def environment(settings, **more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    given = {"instance": str(settings.instance), "database_url": settings.database_url, "mode": "development"} | more
    return clean | {f"LATCHKEY_{key.upper()}": value for key, value in given.items() if value}


@pytest.fixture
def serve(settings):
    """Start the command on a free port, as its own group like a shell does; forked, it does not load the product."""
    started = []

    def start(
        *given: str, port: int | None = None, forked: bool = True, **more: str
    ) -> subprocess.Popen | servers.Forked:
        arguments = ["serve", "--port", str(port or servers.free_port()), *given]
        there = environment(settings, **more)
        command = [servers.LATCHKEY, *arguments]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = (
            servers.Forked(arguments, there)
            if forked
            else subprocess.Popen(command, env=there, text=True, start_new_session=True, **options)
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            servers.end(process, signal.SIGTERM)
        process.stdout.close()
        process.stderr.close()


def workers(process: subprocess.Popen) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


def runs(pid: int) -> bool:
    """Whether a process is there and is more than an entry that nobody has asked about yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def fetch(url: str, **headers: str) -> tuple[int, dict]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
        return response.status, json.loads(response.read())


def test_it_prints_one_line_with_the_address_and_links_lead_there(serve):
    port = servers.free_port()
    process = serve(port=port, forked=False)

    assert process.stdout.readline() == (
        f"Latchkey is ready at http://127.0.0.1:{port}, mail at http://127.0.0.1:{port}/dev/mail\n"
    )
    _, metadata = fetch(f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server")
    assert metadata["issuer"] == f"http://127.0.0.1:{port}"
    assert len(workers(process)) == 2

    servers.end(process, signal.SIGTERM)

    assert process.returncode == 0
    assert process.stdout.read() == ""
    assert [json.loads(line)["status"] for line in process.stderr.read().splitlines()] == [200]


@ON_ONE
@pytest.mark.parametrize("host, shown", [("localhost", "localhost"), ("::1", "[::1]")])
def test_it_listens_where_it_is_told(serve, host, shown):
    port = servers.free_port()
    process = serve("--host", host, "--workers", "1", port=port)

    assert process.stdout.readline().startswith(f"Latchkey is ready at http://{shown}:{port},")
    assert fetch(f"http://{shown}:{port}/v1/scopes")[0] == 200


@ON_ONE
def test_a_host_that_is_none_is_one_clear_line(serve):
    process = serve("--host", "nowhere.invalid")

    assert process.wait(60) == 1
    assert process.stderr.read().startswith("latchkey: cannot listen on nowhere.invalid port ")


@ON_ONE
def test_production_says_where_it_listens_and_nothing_of_mail(serve):
    port = servers.free_port()

    line = serve(
        "--workers", "1", port=port, mode="production", base_url="https://portal.example.com"
    ).stdout.readline()

    assert line == f"Latchkey is ready at https://portal.example.com (listening on http://127.0.0.1:{port})\n"


@ON_ONE
def test_production_warns_of_what_lets_nobody_in(serve):
    process = serve("--workers", "1", mode="production", base_url="https://portal.example.com")
    process.stdout.readline()
    servers.end(process, signal.SIGTERM)

    warnings = [line for line in process.stderr.read().splitlines() if line.startswith("latchkey: ")]
    assert [line.split()[1] for line in warnings] == ["LATCHKEY_MAIL_SERVER", "LATCHKEY_BASE_URL"]


@ON_ONE
def test_it_migrates_before_it_serves(serve, settings, tmp_path):
    process = serve("--workers", "1", database_url=f"sqlite:///{tmp_path / 'fresh.db'}")

    url = process.stdout.readline().split()[4].rstrip(",")

    with urllib.request.urlopen(f"{url}/readyz", timeout=60) as response:
        assert response.status == 200


@ON_ONE
def test_a_taken_port_is_one_clear_line(serve):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = serve(port=other.getsockname()[1])

        assert process.wait(60) == 1

    assert process.stdout.read() == ""
    said = process.stderr.read()
    assert said.startswith("latchkey: cannot listen on 127.0.0.1 port ")
    assert "name another port by --port" in said


@ON_ONE
@pytest.mark.standard("A-04")
def test_development_in_the_open_is_warned_of(serve):
    port = servers.free_port()
    process = serve("--host", "0.0.0.0", "--workers", "1", port=port)

    assert process.stdout.readline().startswith(f"Latchkey is ready at http://127.0.0.1:{port} (listening on ")
    servers.end(process, signal.SIGTERM)

    assert process.stderr.read().startswith("latchkey: development mode on an address that others reach")


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_stopping_finishes_the_request_in_flight_and_writes_the_last_uses(serve, db, alice, how):
    minted, port = factories.make_token(alice), servers.free_port()
    process = serve(port=port)
    process.stdout.readline()
    body = b"email=alice%40example.com&password=" + b"x" * 4000
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
        slow.sendall(b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body))
        slow.sendall(body[:100])
        time.sleep(0.3)
        assert fetch(f"http://127.0.0.1:{port}/v1/me", Authorization=f"Bearer {minted.plaintext}")[0] == 200

        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
        slow.sendall(body[100:])

        assert slow.recv(12) == b"HTTP/1.1 400"
    assert process.wait(60) == 0
    assert [json.loads(line)["status"] for line in process.stderr.read().splitlines()] == [200, 400]
    db.refresh(minted.token)
    assert minted.token.last_used_at is not None


def test_workers_do_not_outlive_a_parent_that_was_killed(serve):
    port = servers.free_port()
    process = serve(port=port)
    process.stdout.readline()
    children = workers(process)

    process.kill()

    # On a machine that is busy with other things the kernel may have to end them, half a minute later.
    servers.wait_until(lambda: not any(runs(child) for child in children), "the workers to end", 60)
    assert not servers.listens(port)


@pytest.fixture
def begin():
    """Run a program that serves on a port, by whatever starts it, until its worker has begun; both processes."""
    with contextlib.ExitStack() as ended:

        def start(program: str, port: int, by: Sequence[str] = ()) -> tuple[subprocess.Popen, int]:
            command = [*by, sys.executable, "-c", program, str(port)]
            process = ended.enter_context(
                subprocess.Popen(
                    command, text=True, cwd=servers.ROOT, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
            ended.callback(process.kill)
            child = int(process.stdout.readline().removeprefix("begun "))
            ended.callback(lambda: runs(child) and os.kill(child, signal.SIGKILL))
            return process, child

        yield start


STUCK = """
import ctypes, os, sys
from cli import serve, worker

class Stuck:
    def begin(self, loop): print("begun", os.getpid(), flush=True)
    def dispatch(self, scope, protocol): pass
    # Keeps the interpreter: nothing else of this process gets it.
    def stop(self): ctypes.PyDLL(None).sleep(100)

def work(_target):
    stuck = Stuck()
    leash.follow(stuck.stop)
    return stuck

worker.LAST_SECONDS = 0.3
serve.multiprocessing.set_start_method("fork", force=True)
server, leash = serve.listening("127.0.0.1", int(sys.argv[1]), 1), serve.Leash()
server.leash = leash
server.serve(worker.spawn, work)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_whose_interpreter_is_held_for_ever_ends_all_the_same(begin, how):
    """By the kernel, also when its parent is gone; the parent would wait half a minute."""
    process, child = begin(STUCK, servers.free_port())

    process.send_signal(how)

    servers.wait_until(lambda: not runs(child), "the worker to end", 25)


IDLE = """
import os, sys
from cli import serve, worker

class Idle:
    def begin(self, loop): print("begun", os.getpid(), flush=True)
    def dispatch(self, scope, protocol): pass
    def stop(self): pass

serve.multiprocessing.set_start_method("fork", force=True)
serve.listening("127.0.0.1", int(sys.argv[1]), 1).serve(worker.spawn, lambda _target: Idle())
"""
UNTOLD = f"""
import asyncio, sys
from cli import worker

class Untold(asyncio.Event):
    def set(self):
        # Not by granian, however often that tells.
        if sys._getframe(1).f_code.co_name == "look":
            print("seen", flush=True)
            super().set()

asyncio.Event, worker.LOOK_SECONDS, worker.LAST_SECONDS = Untold, 0.1, 10
{IDLE}
"""


def test_a_worker_that_is_not_told_that_all_are_gone_sees_it_for_itself(begin):
    """One stop in some hundred would take the half minute after which the parent ends it."""

    def sees() -> bool:
        port = servers.free_port()
        process, _ = begin(UNTOLD, port)
        servers.wait_until(lambda: servers.listens(port), "the server")
        process.send_signal(signal.SIGTERM)
        return "seen\n" in process.stdout

    # On a busy machine granian sometimes waits for itself, for ever, before anybody can look.
    assert any(sees() for _ in range(5))


def test_it_ends_with_the_terminal_that_it_was_started_in(begin):
    terminal, its_end = pty.openpty()
    # A leader of a session that opens a terminal is in it from then on.
    process, child = begin(IDLE, servers.free_port(), by=("sh", "-c", 'exec "$@" <"$0"', os.ttyname(its_end)))
    os.close(its_end)

    os.close(terminal)

    assert process.wait(60) == 0
    assert not runs(child)


def test_it_goes_on_without_its_terminal_where_it_was_told_to(begin):
    port = servers.free_port()
    process, child = begin(IDLE, port, by=("nohup",))
    servers.wait_until(lambda: servers.listens(port), "the server")

    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    # No other worker has.
    assert "begun" not in process.stdout.read()
    assert not runs(child)


def test_a_worker_that_died_is_replaced_and_each_is_at_a_hangup(serve):
    port = servers.free_port()
    process = serve("--workers", "1", port=port, forked=False)
    process.stdout.readline()
    [child] = workers(process)

    os.kill(child, signal.SIGKILL)

    servers.wait_until(lambda: workers(process) not in ([], [child]), "another worker")
    servers.wait_until(lambda: _answers(port), "its answer")
    # The product was loaded and made in the parent: a tenth of a second, where it took more than one.
    assert sum(map(cpu_seconds, workers(process))) < 0.7

    [child] = workers(process)
    process.send_signal(signal.SIGHUP)
    servers.wait_until(lambda: not runs(child), "the worker to end")
    assert process.poll() is None
    servers.wait_until(lambda: _answers(port), "the answer of another")


def cpu_seconds(pid: int) -> float:
    """What a process used so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as response:
            return response.status == 200
    except OSError:
        return False


def test_stopping_while_the_workers_still_load_is_quick(serve):
    process = serve(forked=False)
    servers.wait_until(lambda: process.poll() is not None or workers(process), "the first worker")

    process.send_signal(signal.SIGTERM)

    assert process.wait(25) == 0

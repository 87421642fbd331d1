"""`latchkey serve`: the production server, granian with RSGI workers."""

import contextlib
import errno
import ipaddress
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click
from flask import Flask
from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from app import begin_server, prepare_server
from cli.base import Refused, latchkey
from cli.installation import prepare
from cli.worker import STOP_SIGNALS, end_at_last, spawn
from latchkey import settings
from latchkey.settings import Settings
from latchkey.store import rates
from latchkey.turns import heap, heavy

# Measured in benchmarks: few workers, and room for connections well above those expected.
WORKERS = 2
BACKLOG = 2048
BACKPRESSURE = 4096
HEADER_MILLISECONDS = 10_000
# What one connection may have in memory of what it sends: twice the longest head that is heard.
BUFFER_BYTES = 64 * 1024
# Requests in flight get so long to finish when the server is told to stop.
GRACE_SECONDS = 30
# How often a worker looks whether its parent is still there.
PARENT_SECONDS = 0.5


class Leash:
    """How workers learn that their parent stops, or is gone: it alone holds the other end of a pipe."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def let_go(self) -> None:
        """Tell the workers, in the parent; once."""
        writer, self._writer = self._writer, -1
        if writer >= 0:
            os.close(writer)

    def follow(self, stopping: Callable[[], object]) -> None:
        """Wait for either, in a worker: nobody else would stop it when its parent was killed."""
        self.let_go()
        parent = multiprocessing.parent_process()

        def wait() -> None:
            os.read(self._reader, 1)
            end_at_last()
            stopping()
            while parent is not None and os.getppid() == parent.pid:
                time.sleep(PARENT_SECONDS)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, name="parent", daemon=True).start()


def _work(leash: Leash, app: Flask, _target: str) -> Any:
    """The application, in a worker process."""
    _hear_signals()
    # Ctrl-C reaches every process of the terminal's group; whether to stop is the parent's decision.
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    made: list[Any] = []
    # Before its threads begin, which takes a while.
    leash.follow(lambda: [application.stop() for application in made])
    made.append(begin_server(app))
    return made[0]


def _hear_signals() -> None:
    # The parent's handlers came along and would do nothing in a worker, which sets its own later.
    for number in (*STOP_SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _terminal() -> bool:
    """Whether this process was started in one, and is told when it closes."""
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR))
        return True
    return False


class Server(MPServer):
    """granian's server, telling when it can be reached."""

    announcement = ""
    leash: Leash | None = None

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """Start the workers and wait for the first of them to listen."""
        # What arrives meanwhile waits until somebody can hear it.
        os.register_at_fork(after_in_child=_hear_signals)
        heard = (*STOP_SIGNALS, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        hangup, in_terminal = signal.getsignal(signal.SIGHUP), _terminal()
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call] # granian leaves it so
        # granian replaces the workers, of which a closed terminal knows nothing; `nohup` has it ignored.
        if hangup == signal.SIG_IGN or in_terminal:
            signal.signal(signal.SIGHUP, hangup if hangup == signal.SIG_IGN else self.signal_handler_interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
        while not self.main_loop_interrupt.is_set():
            with contextlib.suppress(OSError), socket.create_connection((self.bind_addr, self.bind_port), timeout=1):
                click.echo(self.announcement)
                return
            time.sleep(0.02)

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers, who hear of it before their connections are closed to new requests."""
        if self.leash is not None:
            self.leash.let_go()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call] # granian leaves it so


def _loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _settle(host: str, port: int) -> Settings:
    """The settings to serve with; links lead to where we listen unless a base URL was chosen."""
    ours = settings.load()
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
    chosen = ours.base_url != Settings.base_url or os.environ.get("LATCHKEY_BASE_URL")
    if not chosen and (everywhere or _loopback(host)):
        os.environ["LATCHKEY_BASE_URL"] = _origin("127.0.0.1" if everywhere else host, port)
        ours = settings.load()
    if ours.development and not _loopback(host):
        click.echo("latchkey: development mode on an address that others reach: they can read all mail", err=True)
    for warning in ours.warnings.values():
        click.echo(f"latchkey: {warning}", err=True)
    return ours


def _address(host: str, port: int) -> str:
    """The address of a host, free to listen on. Raises `Refused`.

    Several processes may share a port on purpose; two servers would share it by mistake.
    """
    try:
        family, _, _, _, (address, *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        other = "; name another port by --port (PORT=5001 make run)" if error.errno == errno.EADDRINUSE else ""
        raise Refused(f"cannot listen on {host} port {port}: {error.strerror or error}{other}") from None
    return str(address)


def _announcement(ours: Settings, host: str, port: int) -> str:
    listening = "" if ours.base_url == _origin(host, port) else f" (listening on {_origin(host, port)})"
    mail = f", mail at {ours.base_url}/dev/mail" if ours.development and ours.mail_server is None else ""
    return f"{ours.brand_name} is ready at {ours.base_url}{listening}{mail}"


def listening(host: str, port: int, workers: int) -> Server:
    """The server as it is set up for production; what it serves is told to its `serve`."""
    return Server(
        "wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        runtime_mode=RuntimeModes.mt,
        workers=workers,
        websockets=False,
        backlog=BACKLOG,
        backpressure=BACKPRESSURE,
        # It waits without end to see which version somebody speaks, and between requests of HTTP/2.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=BUFFER_BYTES),
        log_level=LogLevels.error,
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
    )


@latchkey.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="The port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), default=WORKERS, show_default=True, help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    """Bring the database up to date and serve the portal until stopped."""
    heap.settle()
    address = _address(host, port)
    ours = _settle(host, port)
    prepare()
    rates.share(workers)
    heavy.share(workers)
    # What is wrong with the configuration is said here once, and what workers share is made here once: they are forked.
    app = prepare_server(ours)
    multiprocessing.set_start_method("fork", force=True)
    server = listening(address, port, workers)
    server.announcement = _announcement(ours, host, port)
    server.leash = Leash()
    with _counts(ours):
        server.serve(spawn, partial(_work, server.leash, app))


@contextlib.contextmanager
def _counts(ours: Settings) -> Iterator[None]:
    """Where the workers add up what they count, if somebody reads it; gone with the server."""
    if ours.metrics_token is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="latchkey-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield

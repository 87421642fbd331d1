"""Servers that a test starts and that never outlive it: PostgreSQL and Latchkey itself."""

import contextlib
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

import cli
from tests import programs
from tests.connections import Kept
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
LATCHKEY = Path(sys.executable).parent / "latchkey"


def wait_until(ready: Callable[[], Any], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


def start(command: list[str], stop: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """A process of our own that gets the signal when this one ends, however it ends (on Linux)."""
    leash = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG"), "--"] if shutil.which("setpriv") else []
    return subprocess.Popen([*leash, *command], stdin=subprocess.DEVNULL, **options)


def end(process: Any, stop: signal.Signals) -> None:
    process.send_signal(stop)
    try:
        # Longer than a server waits for its workers, who would be left behind and work on.
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


SETTINGS = {
    "listen_addresses": "", "max_connections": "300",
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
    "shared_buffers": "64MB", "timezone": "America/St_Johns",  # nobody's default: shows who forgets time zones
}  # fmt: skip


class Postgres:
    """A cluster in a scratch folder, reached by a socket there: no port, no password, nothing kept."""

    def __init__(self, folder: Path, data: Path, **settings: str) -> None:
        self.folder, self.data = folder, data
        self.settings = SETTINGS | settings | {"unix_socket_directories": str(folder)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [f"{key}={value}" for key, value in self.settings.items()]
        command = [str(programs.postgres()), "-D", str(self.data), *(part for each in options for part in ("-c", each))]
        with (self.folder / "log").open("ab") as log:
            self.process = start(command, signal.SIGINT, stdout=log, stderr=log, cwd="/", **_postgres_user())
        wait_until(self.answers, "PostgreSQL")

    def stop(self, *, at_once: bool = False) -> None:
        """`at_once`: as in a crash, so that nobody comes to have what another one held, who ended a moment earlier."""
        if self.process is not None:
            end(self.process, signal.SIGQUIT if at_once else signal.SIGINT)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://latchkey@/{database}?host={self.folder}"

    def run(self, statement: str, **names: str) -> None:
        identifiers = {key: sql.Identifier(name) for key, name in names.items()}
        with psycopg.connect(f"host={self.folder} user=latchkey dbname=postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(**identifiers))

    def create(self, database: str, template: str = "template0") -> str:
        """A new database's URL."""
        self.run("CREATE DATABASE {database} TEMPLATE {template}", database=database, template=template)
        return self.url(database)

    def drop(self, database: str) -> None:
        self.run("DROP DATABASE IF EXISTS {database} WITH (FORCE)", database=database)

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def empty(url: str, tables: list[str], *, served: bool = False) -> None:
    """Remove every row; quicker than TRUNCATE or another copy when there are few, as in tests.

    A server that runs there may be writing: then nothing is waited for while a lock is held, and neither is ever in the
    other's way.
    """
    with contextlib.closing(Kept.lend(url, partial(psycopg.connect, url.replace("+psycopg", "")))) as connection:
        connection.autocommit = True
        wait_until(lambda: _done(connection, _emptying(tuple(tables), served)), "those who write to a database")


@cache
def _emptying(tables: tuple[str, ...], served: bool) -> bytes:
    names = [sql.Identifier(table) for table in tables]
    locking = sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE NOWAIT").format(sql.SQL(", ").join(names))
    statements: list[sql.Composable] = [locking] if served else []
    statements.append(sql.SQL("SET session_replication_role = replica"))
    statements += [sql.SQL("DELETE FROM {}").format(name) for name in names]
    # Else a test whose clock was moved ahead leaves later numbers to the next than that one's clock gives.
    statements.append(sql.SQL("SELECT setval(to_regclass('ending_seq'), 1, false)"))
    return sql.SQL("; ").join(statements).as_bytes()


def _done(connection: Kept, statements: bytes) -> bool:
    """Whether these were run as one transaction; False: somebody holds what they want."""
    try:
        connection.execute(statements)
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def empty_file(path: str, tables: list[str]) -> None:
    """The same for an SQLite file that a server has open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            connection.execute(f'DELETE FROM "{table}"')
        connection.execute("COMMIT")


def _postgres_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """A throw-away PostgreSQL that trades safety for speed, but for these settings. Fails when the machine has none."""
    server = programs.postgres()
    if server is None:
        raise RuntimeError("PostgreSQL is not installed: `make test` says how")
    folder, user = Path(tempfile.mkdtemp(prefix="latchkey-pg-")), _postgres_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    try:
        data = folder / "data"
        make = ["-D", data, "-U", "latchkey", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run([server.parent / "initdb", *make], check=True, capture_output=True, cwd="/", **user)
        cluster = Postgres(folder, data, **settings)
        try:
            cluster.start()
            yield cluster
        finally:
            Kept.end_all()
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listens(port: int) -> bool:
    """Whether anything does there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def standby(primary: Postgres) -> Iterator[Postgres]:
    """A second cluster that follows a first one."""
    server, folder, user = programs.postgres(), Path(tempfile.mkdtemp(prefix="latchkey-pg-")), _postgres_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    try:
        copy = [server.parent / "pg_basebackup", "-h", primary.folder, "-U", "latchkey", "-R", "-c", "fast"]
        subprocess.run([*copy, "-D", folder / "data"], check=True, capture_output=True, cwd="/", **user)
        cluster = Postgres(folder, folder / "data")
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def pgbouncer(cluster: Postgres) -> Iterator[Callable[[str], str]]:
    """A pooler in transaction mode with two connections; gives the URL of a database through it."""
    folder, user, port = Path(tempfile.mkdtemp(prefix="latchkey-pgb-")), _postgres_user(), free_port()
    (folder / "users").write_text('"latchkey" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={cluster.folder} user=latchkey\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\nauth_file = {folder}/users\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n"
    )
    for path in (folder, *folder.iterdir()) if user else ():
        os.chown(path, user["user"], user["group"])
    try:
        with (folder / "log").open("wb") as log:
            command = [str(programs.pgbouncer()), "-q", str(folder / "ini")]
            process = start(command, signal.SIGINT, stdout=log, stderr=log, cwd="/", **user)
        try:
            wait_until(lambda: listens(port), "PgBouncer")
            yield lambda database: f"postgresql+psycopg://latchkey@127.0.0.1:{port}/{database}"
        finally:
            end(process, signal.SIGTERM)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A throw-away Redis's URL. Fails when the machine has none."""
    server = programs.redis()
    if server is None:
        raise RuntimeError("Redis is not installed: `make test` says how")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = start([str(server), *options], signal.SIGTERM, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    try:
        wait_until(lambda: listens(port), "Redis")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end(process, signal.SIGTERM)


FORKS = multiprocessing.get_context("forkserver")
# Loading the product takes longer than starting it: one process loads it, and those forked from it have it.
FORKS.set_forkserver_preload(["cli", "tests.servers"])


class Forked:
    """A process that did not load the product itself, with what tests use of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path | None = None) -> None:
        """Without a log, in a session of its own like a shell's, what it says is read from `stdout` and `stderr`."""
        pipes = [] if log else [multiprocessing.Pipe(duplex=False) for _ in range(2)]
        there = [theirs for _, theirs in pipes]
        self._process = FORKS.Process(target=_command, args=(arguments, environment, log, *there))
        self._process.start()
        if log is None:
            self.stdout, self.stderr = (os.fdopen(os.dup(ours.fileno())) for ours, _ in pipes)
        for end in (end for ends in pipes for end in ends):
            end.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.is_alive():
            os.kill(self._process.pid, number)

    def wait(self, seconds: float | None = None) -> int | None:
        self._process.join(seconds)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired("latchkey", seconds)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _command(arguments: list[str], environment: dict[str, str], log: Path | None, *pipes: Connection) -> None:
    """The `latchkey` command in a process of its own."""
    os.environ.clear()
    os.environ.update(environment)
    if log is None:
        os.setsid()
        said, told = (pipe.fileno() for pipe in pipes)
    else:
        said = told = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.dup2(said, 1)
    os.dup2(told, 2)
    for pipe in pipes:
        # Else workers would hold it, too.
        pipe.close()
    os.chdir(ROOT)
    # As in a process that was started by itself: workers are forked, and inherit what the command has opened.
    multiprocessing.set_start_method("fork", force=True)
    cli.latchkey(arguments, prog_name="latchkey")


class Server:
    """A running `latchkey serve`."""

    def __init__(self, url: str, process: Any, log: Path, instance: Path) -> None:
        self.url = url
        self.process = process
        self.log = log
        self.instance = instance

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"latchkey serve ended by itself:\n{self.log.read_text()}")
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=20) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        end(self.process, how)


@contextlib.contextmanager
def latchkey(
    instance: Path,
    *,
    port: int | None = None,
    workers: int = 1,
    forked: bool = False,
    command: Sequence[str] = (str(LATCHKEY),),
    checkout: Path = ROOT,
    seconds: float = 240,
    **environment: str,
) -> Iterator[Server]:
    """The product as an operator starts it, on an instance folder; `environment` adds LATCHKEY_… variables.

    A forked one does not load the product again; one of another checkout says by which command it runs there.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    instance.mkdir(parents=True, exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    given = {"LATCHKEY_INSTANCE": str(instance), "LATCHKEY_BASE_URL": url, "LATCHKEY_MODE": "development"} | environment
    arguments = ["serve", "--port", str(port), "--workers", str(workers)]
    log = instance / "serve.log"
    process: Any
    if forked:
        process = Forked(arguments, clean | given, log)
    else:
        with log.open("ab") as output:
            options = {"env": clean | given, "stdout": output, "stderr": subprocess.STDOUT, "cwd": checkout}
            process = start([*command, *arguments], signal.SIGTERM, **options)
    server = Server(url, process, log, instance)
    try:
        wait_until(server.answers, "latchkey serve", seconds)
        yield server
    finally:
        server.stop()

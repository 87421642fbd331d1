"""A checkout of its own, in which a test does what a page tells an operator to do."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests import servers
from tests.flows import snippets

LEFT_OUT = shutil.ignore_patterns(".*", "instance", "tests", "benchmarks", "*.egg-info")
PORTAL = "http://localhost"
only_once = pytest.mark.either_database("a checkout brings its own SQLite file, whatever the run's database")


class Checkout:
    """The tree, an installation in it, its own or one that is there already, and where it will be served."""

    def __init__(self, folder: Path, instance: Path | None = None) -> None:
        self.folder = folder
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        shutil.copytree(servers.ROOT, folder, ignore=LEFT_OUT)
        (folder / ".venv").symlink_to(servers.LATCHKEY.parent.parent)
        if instance is None:
            (folder / "instance").mkdir()
        else:
            (folder / "instance").symlink_to(instance)
        # What is installed is not to be installed again, whatever was changed last.
        for lock in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
            os.utime(folder / lock, (0, 0))

    def page(self, client: FlaskClient, path: str, **names: str) -> dict[str, str]:
        """The commands of a page, for where this checkout is served. `names`: what else stands for another address."""
        blocks = snippets.of(client.get(path).text)
        replaced = {PORTAL: self.url} | {shown.replace("_", "."): real for shown, real in names.items()}
        for shown, real in replaced.items():
            blocks = {name: text.replace(shown, real) for name, text in blocks.items()}
        return blocks

    def run(self, *script: str, typed: str = "", **environment: str) -> str:
        # The commands of .venv are linked to the tree of the tests; this one comes first.
        return snippets.run(*script, folder=self.folder, typed=typed, PYTHONPATH=str(self.folder), **environment)

    @contextlib.contextmanager
    def served(self) -> Iterator[servers.Server]:
        with servers.latchkey(self.folder / "instance", port=self.port, PYTHONPATH=str(self.folder)) as server:
            yield server


def _reachable(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def program(commands: str, folder: Path, port: int, *, typed: str = "") -> Iterator[None]:
    """The program that the last of the commands starts, from when it can be reached until the end."""
    words, log = folder / "typed", folder / "program.log"
    words.write_text(typed)
    *before, last = commands.splitlines()
    script = "\n".join([f"exec < '{words}'", *before, f"exec {last}"])
    with log.open("wb") as output:
        options = {"stdout": output, "stderr": subprocess.STDOUT, "cwd": folder, "env": snippets.environment()}
        process = servers.start(["bash", "-euc", script], signal.SIGTERM, **options)
    try:
        servers.wait_until(lambda: _reachable(port, process, log), last)
        yield
    finally:
        servers.end(process, signal.SIGTERM)

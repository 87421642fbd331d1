"""Where something is measured: a checkout of the product, and an empty database for it on SQLite or PostgreSQL."""

import argparse
import contextlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from benchmarks import harness
from benchmarks.rows import Row, table
from tests import servers

Found = TypeVar("Found")
Measure: TypeAlias = Callable[[Sequence["Site"]], Iterable[Row]]
SQLITE, POSTGRESQL = DATABASES = ("SQLite", "PostgreSQL")
# As operators have it, and not as tests do: nothing that makes it safe is off.
SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on",
    "shared_buffers": "256MB", "max_wal_size": "4GB",
}  # fmt: skip
# Runs a function of this package, whose product is the checkout's in the working directory.
CALL = """
import importlib, pathlib, pickle, sys
place, checkout, *told = sys.argv[1:]
sys.path[:0] = [place]
import benchmarks
sys.path[0] = checkout
module, name, file = told
function = getattr(importlib.import_module(module), name)
file = pathlib.Path(file)
file.write_bytes(pickle.dumps(function(*pickle.loads(file.read_bytes()))))
"""


@dataclass(frozen=True)
class Site:
    """An instance folder, whose `config.toml` names the database, and the checkout that serves it."""

    database: str
    instance: Path
    checkout: Path
    _make: Callable[[], "Site"] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The head of its column."""
        return self.database if self.checkout == harness.ROOT else f"{self.database} before"

    def configure(self, **settings: str | int) -> None:
        """Add settings, before anything runs there."""
        with (self.instance / "config.toml").open("a") as file:
            file.writelines(f"{key} = {value!r}\n" for key, value in settings.items())

    def call(self, function: Callable[..., Found], *given: Any) -> Found:
        """`function(instance, *given)` in a process of its own, with the checkout's product: plain data in and out."""
        file = self.instance / "call.pickle"
        file.write_bytes(pickle.dumps((self.instance, *given)))
        named = [_home(function), function.__name__, str(file)]
        command = [harness.python(self.checkout), "-c", CALL, str(harness.ROOT), str(self.checkout), *named]
        subprocess.run(command, cwd=self.checkout, env=harness.environment(self.instance), check=True)
        found: Found = pickle.loads(file.read_bytes())
        file.unlink()
        return found

    def run(self, program: str) -> str:
        """What a program of the checkout prints."""
        command, environment = [harness.python(self.checkout), "-c", program], harness.environment(self.instance)
        return subprocess.check_output(command, cwd=self.checkout, env=environment, text=True)

    def twin(self) -> "Site":
        """Another empty one of the same kind."""
        return self._make()

    def serve(self, *, workers: int = 1) -> contextlib.AbstractContextManager[harness.Server]:
        """The production server of the checkout."""
        return harness.latchkey(self.instance, workers=workers, checkout=self.checkout)

    def row(self, name: str, figure: float, goals: dict[str, float] | float | None = None, **more: Any) -> Row:
        """A row of this site; goals are one for all databases, or one for each."""
        goal = goals.get(self.database) if isinstance(goals, dict) else goals
        return Row(name, self.name, figure, goal if self.checkout == harness.ROOT else None, **more)


def _home(function: Callable[..., Any]) -> str:
    """Its module's name, also when that module is what runs."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if function.__module__ == "__main__" and spec else function.__module__


@contextlib.contextmanager
def opened(databases: Sequence[str], checkouts: Sequence[Path]) -> Iterator[Callable[[], list[Site]]]:
    """What makes empty sites, one for each database and checkout; they are gone afterwards."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(servers.postgres(**SETTINGS)) if POSTGRESQL in databases else None
        made: list[str] = []

        def one(database: str, checkout: Path) -> Site:
            site = Site(database, stack.enter_context(harness.scratch()), checkout, lambda: one(database, checkout))
            if cluster and database == POSTGRESQL:
                made.append(f"bench{len(made)}")
                site.configure(database_url=cluster.create(made[-1]))
            return site

        yield lambda: [one(database, checkout) for database in databases for checkout in checkouts]


def options(about: str | None) -> argparse.ArgumentParser:
    """What every command that prints rows takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--database", action="append", choices=DATABASES, help="only there; both by default")
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, measured by turns as “before”")
    return parser


def places(given: argparse.Namespace) -> contextlib.AbstractContextManager[Callable[[], list[Site]]]:
    """The sites that were asked for."""
    before = [given.against.resolve()] if given.against else []
    return opened(given.database or DATABASES, [*before, harness.ROOT])


def main(title: str, *measure: Measure) -> None:
    """The command of a module: measure, and print one table."""
    with places(options(title).parse_args()) as make:
        print(table(title, [row for each in measure for row in each(make())]))

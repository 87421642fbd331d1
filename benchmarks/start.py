"""What starting costs: `python -m benchmarks.start`, and for a person, `make run` on a prepared checkout."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks import harness, seed
from benchmarks.rows import Row
from benchmarks.sites import SQLITE, Site, main
from cli.serve import WORKERS

GOAL_SECONDS, WORKER_SECONDS = 2.0, 0.7
ROUNDS = 3
# Until what a worker does at its start is done.
SETTLING_SECONDS = 2.0
MADE = """
import os, time
from app import begin_server, prepare_server
from latchkey import settings
begin_server(prepare_server(settings.load()))
print(time.process_time(), flush=True)
os._exit(0)
"""


def prepare(instance: Path) -> None:
    """A database that is there already."""
    seed.connect(instance)


def _costs(site: Site) -> tuple[float, float, float]:
    """CPU seconds of all processes of a server, of the dearest of its workers, and of one that loads all by itself."""
    with site.serve(workers=WORKERS) as server:
        time.sleep(SETTLING_SECONDS)
        parent, *workers = harness.tree(server.pid)
        whole, *each = (harness.cpu_seconds(pid) for pid in (parent, *workers))
    return whole + sum(each), max(each), float(site.run(MADE))


def _first_answer() -> float:
    port = harness.free_port()
    with harness.scratch() as instance:
        environment = harness.environment(instance) | {"PORT": str(port)}
        started = time.perf_counter()
        process = subprocess.Popen(["make", "run"], cwd=harness.ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            while time.perf_counter() - started < 60:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.01)
                else:
                    return time.perf_counter() - started
            raise SystemExit("no answer within a minute")
        finally:
            process.terminate()
            process.wait(30)


def rows(sites: Sequence[Site]) -> Iterator[Row]:
    """What a start costs, on each site."""
    for site in sites:
        site.call(prepare)
        costs = [_costs(site) for _ in range(ROUNDS)]
        whole, worker, alone = (median(each) for each in zip(*costs, strict=True))
        yield site.row("CPU to start one worker", worker, WORKER_SECONDS, unit="s", most=True)
        yield site.row(f"CPU to start the server, its {WORKERS} workers included", whole, unit="s")
        yield site.row("CPU to load and make the application in one process", alone, unit="s")


def answered(sites: Sequence[Site]) -> Iterator[Row]:
    """What somebody waits for who tries it, on the embedded database of this checkout."""
    for site in sites:
        if site.database == SQLITE and site.checkout == harness.ROOT:
            seconds = min(_first_answer() for _ in range(ROUNDS))
            yield site.row("`make run`, a new database, to its answer", seconds, GOAL_SECONDS, unit="s", most=True)


if __name__ == "__main__":
    main("what starting costs", rows, answered)

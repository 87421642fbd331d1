"""Whether PostgreSQL's autovacuum keeps up while millions of rows are cleared away: `python -m benchmarks.vacuum`.

Access tokens that ended long ago are removed from the first to the last, in the parts in which a server does it but
without its rests, so several times as quickly; meanwhile one caller asks and another creates tokens. What the table
holds and what they feel is a line each minute.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks import crowds, harness, housekeeping, oauth, seed
from benchmarks.sites import POSTGRESQL, Site, options, places
from latchkey.store import leases
from latchkey.store.session import db, engines
from latchkey.worker import ended
from latchkey.worker.housekeeping import LEASE

COUNT = 3_000_000
STEP_SECONDS = 60
# Callers who leave a small machine time for what is looked at.
PAUSE_SECONDS = 0.05
GIB = 2**30
LOOK = """
SELECT n_tup_del, n_dead_tup, autovacuum_count, pg_table_size(relid), pg_indexes_size(relid)
FROM pg_stat_user_tables WHERE relname = 'token'
"""
HEADS = ("minutes", "removed", "dead and still there", "vacuumed", "table", "indexes", "a call", "creating a token")


@dataclass
class Caller:
    """Sends one request over and over, and remembers how long each took."""

    port: int
    request: bytes
    expected: int
    over: threading.Event
    seconds: list[float] = field(default_factory=list)

    def call(self) -> None:
        connection = harness.Connection(self.port)
        while not self.over.wait(PAUSE_SECONDS):
            begun = time.perf_counter()
            status, body = connection.ask(self.request)
            self.seconds.append(time.perf_counter() - begun)
            if status != self.expected:
                raise SystemExit(f"{status}: {body[:200]!r}")

    def told(self) -> str:
        """Half and nearly all of them since this was asked last."""
        found = sorted(self.seconds)
        del self.seconds[:]
        if not found:
            return "none"
        return f"{found[len(found) // 2] * 1e3:.1f}, {found[int(len(found) * 0.99)] * 1e3:.0f} ms"


def fill(instance: Path, count: int) -> None:
    """So many tokens of an app, nearly all of which ended long ago, and which the server leaves alone."""
    seed.connect(instance)
    user = seed.user("alice@example.com")
    leases.take(LEASE, "measurement", timedelta(days=1))
    crowds.fill(user, oauth.registered(user)[0], count)


def clear(instance: Path) -> None:
    """Remove all of them."""
    seed.connect(instance)
    while ended.purge():
        db.commit()
    db.commit()


def looked(instance: Path) -> Iterator[tuple[int, ...]]:
    """What PostgreSQL says of the table, each time it is asked."""
    seed.connect(instance)
    while True:
        with engines().read.connect() as connection:
            found = tuple(connection.execute(text(LOOK)).one())
        yield found


def swept(site: Site, count: int) -> Iterator[Sequence[str]]:
    """A line for each step until nothing is left to remove, and one for what autovacuum did with the rest."""
    site.configure(**housekeeping.SETTINGS)
    site.call(fill, count)
    plaintext, over = site.call(housekeeping.minted), threading.Event()
    with site.serve() as server, ThreadPoolExecutor() as pool:
        callers = [Caller(server.port, *asked, over) for asked in housekeeping.kinds(plaintext).values()]
        running = [pool.submit(site.call, clear), *(pool.submit(caller.call) for caller in callers)]
        begun, left = time.monotonic(), 1
        for removed, dead, vacuumed, table, indexes in looked(site.instance):
            numbers = (f"{number:,}" for number in (removed, dead, vacuumed))
            sizes = (f"{size / GIB:.2f} GiB" for size in (table, indexes))
            yield (f"{(time.monotonic() - begun) / 60:.0f}", *numbers, *sizes, *(caller.told() for caller in callers))
            left -= running[0].done()
            if left < 0 or any(each.done() for each in running[1:]):
                break
            time.sleep(STEP_SECONDS)
        over.set()
        for each in running:
            each.result()


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=COUNT, help="how many dead rows")
    given = parser.parse_args()
    given.database = [POSTGRESQL]
    with places(given) as make:
        print(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}", flush=True)
        for line in swept(make()[-1], given.rows):
            print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()

"""What ten million tokens cost that a thousand do not: `python -m benchmarks.growth`, six gigabytes and some minutes.

All but five thousand of them ended long ago, so they are dead rows as well: what is read, written and cleared away
goes on among them. Nothing is cleared away while jobs are measured; then parts of a hundred rows are, and at last a
server clears away by itself while callers are timed.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks import crowds, harness, housekeeping, oauth, seed
from benchmarks.rows import Row
from benchmarks.sites import Site, main
from latchkey.store import leases
from latchkey.store.session import db
from latchkey.store.sweeping import AT_A_TIME
from latchkey.worker import ended
from latchkey.worker.housekeeping import LEASE

FEW, MANY = 1_000, 10_000_000
MOST_DEARER = 20
# Of a hundred rows.
PARTS = 50


def prepare(instance: Path, count: int) -> dict[str, list[bytes]]:
    """The requests of each job, on an instance with so many tokens that nobody clears away."""
    seed.connect(instance)
    user = seed.user("alice@example.com")
    client, basic = oauth.registered(user)
    plaintexts = crowds.fill(user, client, count)
    leases.take(LEASE, "measurement", timedelta(days=1))
    return oauth.reads(plaintexts, basic) | oauth.writes(user, client, basic)


def part(instance: Path, parts: int) -> float:
    """Milliseconds that removing a hundred dead rows takes, the commit with it, in the middle of some."""
    seed.connect(instance)
    seconds = []
    for _ in range(parts):
        begun = time.perf_counter()
        ended.purge()
        db.commit()
        seconds.append(time.perf_counter() - begun)
    return median(seconds) * 1e3


def grown(few: Site, many: Site) -> Iterator[Row]:
    """How much dearer each job is."""
    sites = {few: FEW, many: MANY}
    loads: dict[str, list[harness.Load]] = {name: [] for name in oauth.COUNTS}
    with ExitStack() as stack:
        for site, count in sites.items():
            requests = site.call(prepare, count)
            server = stack.enter_context(site.serve())
            for name, of_kind in loads.items():
                of_kind.append(harness.Load(server, requests[name], count=oauth.COUNTS[name]))
        harness.measure(*(load for of_kind in loads.values() for load in of_kind))
    for name, (fewer, more) in loads.items():
        dearer = 100 * (1 / more.ratio(fewer) - 1)
        yield many.row(f"{name}, dearer", dearer, MOST_DEARER, unit="%", most=True)


def cleared(few: Site, many: Site) -> Iterator[Row]:
    """What clearing away takes, and what callers feel of it."""
    yield many.row(f"removing 100 dead rows among {FEW:,}", few.call(part, FEW // 2 // AT_A_TIME), unit="ms")
    yield many.row(f"removing 100 dead rows among {MANY:,}", many.call(part, PARTS), unit="ms")
    yield from housekeeping.felt(many)


def rows(sites: Sequence[Site]) -> list[Row]:
    """What growth costs, on each site."""
    pairs = [(site.twin(), site) for site in sites]
    return [row for pair in pairs for row in (*grown(*pair), *cleared(*pair))]


if __name__ == "__main__":
    main(f"{MANY:,} tokens beside {FEW:,}", rows)

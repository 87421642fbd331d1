"""What callers feel of housekeeping, and how it goes, among millions of dead rows; measured with `benchmarks.growth`.

Calls are timed at a server that clears nothing away, then at the same one while it does.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func, select, text

from benchmarks import harness, seed
from benchmarks.rows import Row
from benchmarks.sites import POSTGRESQL, Site
from latchkey import clock, tokens
from latchkey.accounts.users import User
from latchkey.store.leases import Lease
from latchkey.store.session import db, engines
from latchkey.tokens import Token

SECONDS = 60
THREADS = 2
# Nobody who calls is to be refused.
SETTINGS: dict[str, str | int] = {"quota_writes": "1000000/minute", "quota_tokens": 1_000_000}
BODY = '{"description": "made", "scopes": ["account:read"], "expires_in_days": 1}'
# Autovacuum looks once a minute, and takes a while.
VACUUM_SECONDS = 150
# Of a hundred: our tables have it begin at 2.
MOST_DEAD = 2.5
READ, WRITE = "a call", "creating a token"


def minted(instance: Path) -> str:
    """A token to call with, of whoever is there."""
    seed.connect(instance)
    owner = db.scalars(select(User).limit(1)).one()
    scopes = ["account:read", "tokens:write"]
    made = tokens.mint(owner, description="calls", scopes=scopes, lifetime=timedelta(days=90))
    db.commit()
    return made.plaintext


def let(instance: Path) -> None:
    """Whoever wants may clear away."""
    seed.connect(instance)
    with engines().write.begin() as connection:
        connection.execute(delete(Lease))


def dead(instance: Path) -> int:
    """How many there are to remove."""
    seed.connect(instance)
    with engines().read.connect() as connection:
        return connection.scalar(select(func.count()).where(Token.kind == "oat", Token.expires_at < clock.now())) or 0


def unswept(instance: Path) -> float:
    """How many of a hundred rows PostgreSQL still holds though they are dead, once its autovacuum has had time."""
    seed.connect(instance)
    asked = "SELECT 100.0 * n_dead_tup / greatest(n_live_tup, 1) FROM pg_stat_user_tables WHERE relname = 'token'"
    end, found = time.monotonic() + VACUUM_SECONDS, 100.0
    with engines().read.connect() as connection:
        while found > MOST_DEAD and time.monotonic() < end:
            time.sleep(1)
            found = float(connection.scalar(text(asked)) or 0)
    return found


def _timed(port: int, request: bytes, expected: int) -> list[float]:
    """The seconds of each call within a while, from several threads."""
    found: list[float] = []
    end = time.monotonic() + SECONDS

    def work(_number: int) -> None:
        connection = harness.Connection(port)
        while time.monotonic() < end:
            begun = time.perf_counter()
            status, body = connection.ask(request)
            found.append(time.perf_counter() - begun)
            if status != expected:
                raise SystemExit(f"{status}: {body[:200]!r}")
            time.sleep(0.01)

    harness.together(work, THREADS)
    return sorted(found)


def kinds(plaintext: str) -> dict[str, tuple[bytes, int]]:
    """What callers ask for, and the status that they expect."""
    head = {"Authorization": f"Bearer {plaintext}"}
    write = harness.post("/v1/tokens", BODY, **head).replace(b"application/x-www-form-urlencoded", b"application/json")
    return {READ: (harness.get("/v1/me", **head), 200), WRITE: (write, 201)}


def _called(site: Site, plaintext: str, when: str) -> Iterator[Row]:
    """Time reads and writes beside each other."""
    asked, results = kinds(plaintext), {}
    with site.serve() as server:

        def work(number: int) -> None:
            kind = list(asked)[number]
            results[kind] = _timed(server.port, *asked[kind])

        harness.together(work, len(asked))
    for kind in asked:
        seconds = results[kind]
        yield site.row(f"{kind} {when}: half within", seconds[len(seconds) // 2] * 1e3, unit="ms")
        yield site.row(f"{kind} {when}: 99 % within", seconds[int(len(seconds) * 0.99)] * 1e3, unit="ms")


def felt(site: Site) -> Iterator[Row]:
    """What callers feel, at a site with dead rows that nobody may clear away yet."""
    site.configure(**SETTINGS)
    plaintext = site.call(minted)
    yield from _called(site, plaintext, "while nothing is cleared away")
    before = site.call(dead)
    site.call(let)
    yield from _called(site, plaintext, "while dead rows are")
    gone = before - site.call(dead)
    yield site.row("dead rows removed", gone / SECONDS, unit="a second")
    if site.database == POSTGRESQL:
        yield site.row("rows that are dead and still there, of all", site.call(unswept), MOST_DEAD, unit="%", most=True)

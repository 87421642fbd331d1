"""What quick calls feel of slow neighbours: `python -m benchmarks.beside`.

`GET /v1/me` from four connections, alone and beside each kind of neighbour, by turns, at the server as it is shipped;
then sign-ins beside what Argon2 alone allows, and the memory of the server's processes.
"""

import base64
import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from argon2 import PasswordHasher

from benchmarks import harness, screen, seed
from benchmarks.callers import FORKS, Load
from benchmarks.rows import Row
from benchmarks.sites import Site, main
from cli.serve import WORKERS
from latchkey import clients
from latchkey.accounts import passwords
from latchkey.store import session as db
from portal import devices

CALLERS, PEOPLE, PAGES, APPS, WRITERS = 4, 16, 8, 16, 8
ROUNDS, SECONDS, WARM_SECONDS = 3, 1.5, 0.4
MEASURED = ROUNDS * SECONDS
TOKENS, SHOWN = 100_000, 50
HELD_SECONDS, SETTLING_SECONDS, RESTING_SECONDS = 1.0, 3.0, 8.0
ALONE, SIGN_INS, TOKEN_PAGES = "alone", f"{PEOPLE} sign-ins", f"{PAGES} token pages"
GRANTED, LOCKED = f"{APPS} client credentials", f"a write lock held for 1 s, and {WRITERS} who wait for it"
# Calls a second, and milliseconds within which 99 of 100 are answered.
LEAST = {SIGN_INS: 1_500, TOKEN_PAGES: 1_000, GRANTED: 2_000}
MOST = {SIGN_INS: 25, LOCKED: 50}
OF_ARGON2, IDLE_MIB, AFTER_MIB = 0.9, 160, 220


def _hold(file: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None, timeout=30)
    while True:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(HELD_SECONDS)
        connection.execute("ROLLBACK")
        time.sleep(HELD_SECONDS / 4)


@contextlib.contextmanager
def lock_held(file: str) -> Iterator[None]:
    """Another process holds the write lock for a second, again and again."""
    process = FORKS.Process(target=_hold, args=(file,))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


class Stage(NamedTuple):
    """What there is to ask: tokens, people, an app's Authorization header, and the file of an embedded database.

    Those who read pages are others than those who sign in: who does that a hundred times ends their first session.
    """

    tokens: list[str]
    emails: list[str]
    readers: list[str]
    basic: str
    file: str | None


def prepare(instance: Path) -> tuple[Any, ...]:
    """Fill an instance; plain data of a `Stage`."""
    seed.connect(instance)
    emails = [f"person{number}@example.com" for number in range(PEOPLE)]
    people = [seed.user(email) for email in emails]
    readers = [f"reader{number}@example.com" for number in range(PAGES)]
    for email in readers:
        seed.tokens(seed.user(email), SHOWN)
    plaintexts = seed.tokens(people[-1], TOKENS)
    callback = "https://app.example.com/callback"
    client, secret = clients.register(
        people[0], name="Example", redirect_uris=[callback], scopes=["account:read"], confidential=True
    )
    db.db.commit()
    basic = "Basic " + base64.b64encode(f"{quote(client.id)}:{quote(secret or '')}".encode()).decode()
    engines = db.engines()
    file = engines.read.url.database if engines.embedded else None
    db.dispose()
    return plaintexts, emails, readers, basic, file


class Place:
    """A server that is asked, and what was found of it."""

    def __init__(self, site: Site, stage: Stage, server: harness.Server) -> None:
        self.site, self.stage, self.server = site, stage, server
        self.idle, port = harness.memory(server.pid), server.port
        known = [self._sign_in(email, come_back=True) for email in stage.emails]
        strangers = [self._sign_in(email, come_back=False) for email in stage.emails]
        cookies = [screen.cookie_of(port, email) for email in stage.readers]
        token = [harness.post("/oauth/token", "grant_type=client_credentials", Authorization=stage.basic)]
        self.sign_ins, self.first_sign_ins = Load(port, known, 303), Load(port, strangers, 303)
        self.neighbours = {
            SIGN_INS: Load(port, known, 303),
            TOKEN_PAGES: Load(port, [[harness.get("/tokens", Cookie=cookie)] for cookie in cookies]),
            GRANTED: Load(port, [token] * APPS),
        }
        if stage.file is not None:
            self.neighbours[LOCKED] = Load(port, [token] * WRITERS)
        calls = [harness.get("/v1/me", Authorization=f"Bearer {text}") for text in stage.tokens]
        mine = [calls[number::CALLERS] for number in range(CALLERS)]
        self.quick = {name: Load(port, mine) for name in (ALONE, *self.neighbours)}

    def _sign_in(self, email: str, *, come_back: bool) -> list[bytes]:
        """The form as a person sends it, again and again, in a browser that the account knows, or in a new one."""
        cookie, form = screen.form_of(self.server.port, email)
        if come_back:
            kept = screen.cookies_of(self.server.port, email)
            cookie = "; ".join([cookie, *(f"{name}={kept[name]}" for name in kept if name.startswith(devices.COOKIE))])
        return [harness.post("/login", form, Cookie=cookie)]

    def measure(self, name: str) -> None:
        """Call beside one kind of neighbour for a while."""
        with ExitStack() as stack:
            if name == LOCKED:
                stack.enter_context(lock_held(str(self.stage.file)))
            if name in self.neighbours:
                stack.enter_context(self.neighbours[name].running(SECONDS + 2 * WARM_SECONDS))
                time.sleep(WARM_SECONDS)
            with self.quick[name].running(SECONDS):
                pass

    def rows(self, argon2: float, libsodium: float) -> Iterator[Row]:
        row = self.site.row
        for name, load in self.quick.items():
            beside = f"`/v1/me` {name if name == ALONE else f'beside {name}'}"
            yield row(beside, load.rate(MEASURED), LEAST.get(name), unit="a second")
            yield row(f"{beside}: half within", load.milliseconds(0.5), unit="ms")
            yield row(f"{beside}: 99 % within", load.milliseconds(0.99), MOST.get(name), unit="ms", most=True)
        for name, load, goal in (
            ("sign-ins", self.sign_ins, OF_ARGON2),
            ("sign-ins in new browsers, with a letter each", self.first_sign_ins, None),
        ):
            yield row(name, load.rate(MEASURED), unit="a second")
            # What the callers take of the cores is neither ours nor Argon2's.
            left = 1 - load.cpu / (MEASURED * (os.cpu_count() or 1))
            yield row(f"{name}, as a share of what Argon2 alone allows", load.rate(MEASURED) / left / argon2, goal)
            yield row(f"{name}, as a share of what libsodium alone allows", load.rate(MEASURED) / left / libsodium)
        yield row("memory of the server's processes, idle", self.idle, IDLE_MIB, unit="MiB", most=True)
        after = harness.memory(self.server.pid)
        yield row("memory of the server's processes, after all this", after, AFTER_MIB, unit="MiB", most=True)


def hashes(seconds: float, verify: Callable[[str, bytes], object]) -> int:
    """How many passwords are verified in so long, on all cores and with nothing beside it."""
    stored, password, counts = passwords.hash(seed.PASSWORD), seed.PASSWORD.encode(), []

    def work(_number: int) -> None:
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            verify(stored, password)
            done += 1
        counts.append(done)

    harness.together(work, os.cpu_count() or 1)
    return sum(counts)


def rows(sites: Sequence[Site]) -> list[Row]:
    """What quick calls and operators feel, on each site."""
    with ExitStack() as stack:
        stages = [Stage(*site.call(prepare)) for site in sites]
        servers = [stack.enter_context(site.serve(workers=WORKERS)) for site in sites]
        # The first of a server's workers answers before the others are there.
        time.sleep(SETTLING_SECONDS)
        places = [Place(*each) for each in zip(sites, stages, servers, strict=True)]
        verified = Counter[str]()
        for _ in range(ROUNDS):
            # By the library of Argon2's authors, as when the goal was set, and by the one that is used.
            verified["argon2"] += hashes(SECONDS, PasswordHasher().verify)
            verified["libsodium"] += hashes(SECONDS, passwords._fits)
            for place in places:
                for load in (place.sign_ins, place.first_sign_ins):
                    with load.running(SECONDS):
                        pass
            for name in (ALONE, SIGN_INS, TOKEN_PAGES, GRANTED, LOCKED):
                for place in places:
                    if name in place.quick:
                        place.measure(name)
        # What is still under way is done with, and what it took given back.
        time.sleep(RESTING_SECONDS)
        alone = {name: count / MEASURED for name, count in verified.items()}
        return [row for place in places for row in place.rows(**alone)]


if __name__ == "__main__":
    main("what people and operators feel", rows)

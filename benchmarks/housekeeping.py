"""What callers feel of housekeeping: `python -m benchmarks.housekeeping [ROWS [DATABASE_URL]]`, an empty database.

Calls are timed on a quiet server, then while another one removes so many dead rows.
"""

import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import LargeBinary, cast, func, select, text

from benchmarks import harness, many, seed
from latchkey import clock, tokens
from latchkey.store.session import engines
from latchkey.tokens import Token

ROWS = 1_000_000
SECONDS = 20
PEOPLE = 1_000
THREADS = 2
FREE = 'quota_writes = "1000000/minute"\nquota_tokens = 1000000\n'
BODY = '{"description": "made", "scopes": ["account:read"], "expires_in_days": 1}'


def dead(count: int) -> None:
    """Developer tokens of a thousand people that ended long ago."""
    many.people(PEOPLE)
    then = clock.now() - timedelta(days=400)
    values = {
        "kind": "dev", "last4": "0000", "description": "Dead", "scope": "account:read",
        "created_at": then, "created_address": "", "created_agent": "", "expires_at": then,
    }  # fmt: skip
    many.copies(
        Token,
        values,
        count,
        id=lambda n: many.id_of("tok", n),
        user_id=lambda n: many.id_of("usr", 1 + n % PEOPLE),
        digest=lambda n: cast(many.ending("d" * 23, n), LargeBinary),
    )


def left() -> int:
    with engines().read.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Token).where(Token.description == "Dead")) or 0


def timed(port: int, request: bytes, expected: int) -> list[float]:
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


def told(name: str, seconds: list[float]) -> str:
    half, most = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return f"{name} {half * 1e3:.1f} ms, 99 % within {most * 1e3:.0f} ms, slowest {seconds[-1] * 1e3:.0f} ms"


def measure(instance: Path, plaintext: str, name: str) -> None:
    """Time reads and writes beside each other."""
    head = {"Authorization": f"Bearer {plaintext}"}
    write = harness.post("/v1/tokens", BODY, **head).replace(b"application/x-www-form-urlencoded", b"application/json")
    with harness.latchkey(instance) as server:
        before, results = left(), {}
        kinds = {"read": (harness.get("/v1/me", **head), 200), "write": (write, 201)}
        running = [
            threading.Thread(target=lambda kind=kind, given=given: results.update({kind: timed(server.port, *given)}))
            for kind, given in kinds.items()
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        gone = before - left()
    print(f"{name}: {'; '.join(told(kind, results[kind]) for kind in kinds)}; {gone / SECONDS:,.0f} rows a second went")


def main(rows: int = ROWS, url: str | None = None) -> None:
    with harness.scratch() as instance:
        (instance / "config.toml").write_text(FREE + (f'database_url = "{url}"\n' if url else ""))
        seed.connect(instance)
        owner = seed.user("alice@example.com")
        minted = tokens.mint(
            owner, description="calls", scopes=["account:read", "tokens:write"], lifetime=timedelta(days=90)
        )
        seed.db.db.commit()
        measure(instance, minted.plaintext, "quiet")
        dead(rows)
        many.settle()
        with engines().write.begin() as connection:
            connection.execute(text("DELETE FROM lease"))
        measure(instance, minted.plaintext, f"removing {rows:,} dead rows")
        seed.db.dispose()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(each) if each.isdecimal() else each for each in given))

"""What pages of `/admin` cost among 100,000 users: `python -m benchmarks.admin [DATABASE_URL]`, an empty database."""

import sys
import time
from statistics import median

from benchmarks import harness, many, screen, seed
from latchkey.store.session import db, dispose

COUNT = 100_000
ROUNDS = 9
EMAIL = "ada@example.com"
NEEDLE = "needle"
# Of each list its first page, the page behind a filter, a search that finds nothing among all, and the next page.
LISTS = {
    "users": ("", "?show=administrators", "?sort=address", f"?q={NEEDLE}"),
    "apps": ("", "?show=suspended", f"?q={NEEDLE}"),
    "tokens": ("", "?show=ending", "?show=ended", f"?q={NEEDLE}"),
    "authorizations": ("", f"?q={NEEDLE}"),
    "mail": ("", "?show=waiting", f"?show=sent&q={NEEDLE}"),
    "activity": ("", "?show=security", f"?q={NEEDLE}"),
}


def main(url: str | None = None) -> None:
    with harness.scratch() as instance:
        # The second factor is not what is measured.
        given = f'database_url = "{url}"\n' if url else ""
        (instance / "config.toml").write_text(f'{given}require_second_factor = "nobody"\n')
        seed.connect(instance)
        seed.user(EMAIL).is_admin = True
        db.commit()
        many.people(COUNT)
        many.belongings(COUNT)
        many.settle()
        dispose()
        with harness.latchkey(instance) as server:
            cookie = screen.cookie_of(server.port, EMAIL)
            for path in ("/admin", *(f"/admin/{name}{query}" for name, queries in LISTS.items() for query in queries)):
                connection, request = harness.Connection(server.port), harness.get(path, Cookie=cookie)
                seconds, before = [], server.cpu_seconds()
                for _ in range(ROUNDS):
                    begun = time.perf_counter()
                    status, body = connection.ask(request)
                    seconds.append(time.perf_counter() - begun)
                    if status != 200:
                        raise SystemExit(f"{path}: {status} {body[:200]!r}")
                took = (server.cpu_seconds() - before) / ROUNDS
                print(f"{path:34} {median(seconds) * 1e3:7.1f} ms, {took * 1e3:5.1f} of the server's CPU")


if __name__ == "__main__":
    main(*sys.argv[1:])

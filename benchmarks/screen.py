"""What the Tokens screen costs with 50 tokens, and in an account with 5,000: `python -m benchmarks.screen`."""

import http.client
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import harness, seed
from benchmarks.rows import Row
from benchmarks.sites import Site, main
from latchkey.store.session import dispose

CPU_MS, WIRE_KB, DEARER = 5, 8, 50
SOMEBODY, HOARDER = "few@example.com", "many@example.com"
FEW, MANY = 50, 5_000
# Each shows a full page, so that what differs is what the database does.
QUERIES = (
    *("", "?write=1", "?q=token", "?sort=name", "?sort=used&page=90", "?scope=account:read"),
    *("?write=1&q=token&sort=name&page=50", "?q=token+49&sort=used"),
)


def form_of(port: int, email: str) -> tuple[str, str]:
    """The Cookie header of a browser that opened the sign-in form, and the form as it sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/login")
    answer = connection.getresponse()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    field = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.read().decode())
    if field is None:
        raise SystemExit("no form at /login")
    return cookie, urlencode({"csrf_token": field[1], "email": email, "password": seed.PASSWORD})


def cookies_of(port: int, email: str) -> dict[str, str]:
    """The cookies of a browser that signed in through the form."""
    cookie, form = form_of(port, email)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    answer.read()
    return dict(pair.partition(";")[0].split("=", 1) for pair in answer.msg.get_all("Set-Cookie", []))


def cookie_of(port: int, email: str) -> str:
    """The Cookie header of a browser that signed in through the form."""
    return "; ".join(f"{name}={value}" for name, value in cookies_of(port, email).items() if value)


def prepare(instance: Path) -> None:
    """Somebody with a page of tokens, and somebody with many."""
    seed.connect(instance)
    for email, count in ((SOMEBODY, FEW), (HOARDER, MANY)):
        seed.tokens(seed.user(email), count)
    dispose()


def _page(server: harness.Server, email: str, query: str = "") -> harness.Load:
    """The screen as a browser asks for it."""
    headers = {"Cookie": cookie_of(server.port, email), "Accept-Encoding": "gzip, deflate, br"}
    return harness.Load(server, [harness.get(f"/tokens{query}", **headers)], count=30)


def rows(sites: Sequence[Site]) -> Iterator[Row]:
    """What a page of 50 tokens costs, and how much dearer it is in an account with many."""
    for site in sites:
        site.call(prepare)
        with site.serve() as server:
            plain = _page(server, SOMEBODY)
            others = {query: _page(server, HOARDER, query) for query in QUERIES}
            harness.measure(plain, *others.values())
            _, body = harness.Connection(server.port).ask(plain.requests[0])
        yield site.row(f"Tokens page with {FEW} rows, CPU", plain.cost * 1e3, CPU_MS, unit="ms", most=True)
        yield site.row(f"Tokens page with {FEW} rows, on the wire", len(body) / 1e3, WIRE_KB, unit="kB", most=True)
        for query, other in others.items():
            dearer = 100 * (1 / other.ratio(plain) - 1)
            yield site.row(f"`/tokens{query}` among {MANY:,}, dearer", dearer, DEARER, unit="%", most=True)


if __name__ == "__main__":
    main("the Tokens screen", rows)

"""What the Tokens screen costs in an account with 5,000 tokens, beside one with 50: `python -m benchmarks.screen`."""

import http.client
import re
from urllib.parse import urlencode

from benchmarks import harness, seed

GOAL = 1 / 1.5
FEW, MANY = 50, 5_000
# Each shows a full page, so that what differs is what the database does.
QUERIES = ("", "?write=1", "?q=token", "?sort=name", "?sort=used&page=90", "?scope=account:read")


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


def cookie_of(port: int, email: str) -> str:
    """The Cookie header of a browser that signed in through the form."""
    cookie, form = form_of(port, email)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", form, headers)
    answer = connection.getresponse()
    answer.read()
    cookies = dict(pair.partition(";")[0].split("=", 1) for pair in answer.msg.get_all("Set-Cookie", []))
    return "; ".join(f"{name}={value}" for name, value in cookies.items() if value)


def main() -> None:
    with harness.scratch() as instance:
        seed.connect(instance)
        for email, count in (("few@example.com", FEW), ("many@example.com", MANY)):
            seed.tokens(seed.user(email), count)
        seed.db.dispose()
        with harness.latchkey(instance) as server:
            few, many = (cookie_of(server.port, email) for email in ("few@example.com", "many@example.com"))
            plain = harness.Load(server, [harness.get("/tokens", Cookie=few)], count=60)
            others = [
                harness.Load(server, [harness.get(f"/tokens{query}", Cookie=many)], count=60) for query in QUERIES
            ]
            harness.measure(plain, *others)
        for query, other in zip(QUERIES, others, strict=True):
            figures = (
                f"{FEW} tokens {plain.cost * 1e3:.2f} ms, {MANY:,} tokens {other.cost * 1e3:.2f} ms CPU a page of 50"
            )
            harness.report(f"Tokens screen {query}".strip(), other.ratio(plain), GOAL, figures)


if __name__ == "__main__":
    main()

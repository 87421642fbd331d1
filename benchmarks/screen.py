"""What the Tokens screen costs in an account with 5,000 tokens, beside one with 50: `python -m benchmarks.screen`."""

import http.client
import re
from urllib.parse import urlencode

from benchmarks import harness, seed

GOAL = 1 / 1.5
FEW, MANY = 50, 5_000


def cookie_of(port: int, email: str) -> str:
    """The Cookie header of a browser that signed in through the form."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/login")
    answer = connection.getresponse()
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    field = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.read().decode())
    if field is None:
        raise SystemExit("no form at /login")
    form = urlencode({"csrf_token": field[1], "email": email, "password": seed.PASSWORD})
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
            few, many = (
                harness.Load(server, [harness.get("/tokens", Cookie=cookie_of(server.port, email))], count=60)
                for email in ("few@example.com", "many@example.com")
            )
            harness.measure(few, many)
        figures = f"{FEW} tokens {few.cost * 1e3:.2f} ms, {MANY:,} tokens {many.cost * 1e3:.2f} ms CPU a page of 50"
        harness.report("Tokens screen", many.ratio(few), GOAL, figures)


if __name__ == "__main__":
    main()

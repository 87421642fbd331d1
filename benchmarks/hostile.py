"""What the dearest requests of strangers cost: hostile heads, addresses and bodies to every route, in this process.

Password hashes are left out: two at a time are allowed, and they cost what they must.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from latchkey import clients, credentials, settings
from latchkey.accounts import passwords, users
from latchkey.accounts.throttle import Attempt
from latchkey.credentials import Kind
from latchkey.store import migrations
from latchkey.store import session as database
from latchkey.store.drivers.transactions import transaction
from latchkey.store.session import db

SHOWN = 20
CLIENTS = 1_000
FORM, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json"
NO_ID = {"client_id": "app", "token_id": "tok", "authorization_id": "ath", "session_id": "ses", "letter_id": "ltr"}
# Every field that some form, address or body of ours has, so that each view finds its own among them.
FIELDS = (
    *("email", "password", "name", "next", "token", "q", "scope", "scopes", "description", "redirect_uri", "state"),
    *("client_id", "code", "code_verifier", "code_challenge", "refresh_token", "resource", "homepage", "uri", "handle"),
    *("redirect_uris", "text", "cursor", "limit", "group", "status", "form_id", "until", "expires", "decision"),
)
MARKS = "a" + "\u0301" * 1_000 + "\u0316" * 1_000
# What grows in the square or worse where it is normalised, split, matched or parsed too early.
TEXTS = {
    "marks": MARKS,
    "at signs": "a@" * 2_000,
    "dots": "a." * 2_000,
    "punycode": "a@xn--" + "a" * 3_000 + ".com",
    "digits": "1" * 5_000,
    "readings of a password": "4@8({[<369&#1!|70$5+%2" * 200,
    "repeats": "abcabdabc" * 400,
    "blanks": " " * 5_000 + "x",
    "slashes": "/" * 5_000,
    "colons": "https://" + ":" * 4_000,
    "percent signs": "%" * 5_000,
    "words": "a " * 2_500,
    "capitals with dots": "\u0130" * 2_000,
    "ligatures": "\ufdfa" * 1_000,
}


class Request(NamedTuple):
    """One attack: how it is called, and what `EnvironBuilder` makes of it."""

    name: str
    given: Mapping[str, object]


class Cost(NamedTuple):
    """What one request took of the processor, and how it was answered."""

    milliseconds: float
    status: int
    route: str
    attack: str


def heads() -> Iterator[Request]:
    """Headers just below what is still looked at, each as hard to read as it gets, and far beyond."""
    many = 30_000
    values = {
        "Cookie": "a=b; " * (many // 5),
        "Accept": "a/b;q=0.1," * (many // 10),
        "Accept-Language": "a-b;q=0.1," * (many // 10),
        "If-None-Match": '"a",' * (many // 4),
        "If-Match": 'W/"' * (many // 3),
        "If-Modified-Since": "Mon, " * (many // 5),
        "Range": "bytes=" + "0-1," * (many // 4),
        "Authorization": "Bearer " + ", b c" * (many // 5),
        "Origin": "https://" + "a." * (many // 2),
        "Referer": "http://localhost/" + "/?" * (many // 2),
        "HX-Current-URL": "http://localhost/" + "%" * many,
        "X-Forwarded-For": "1.1.1.1," * (many // 8),
        "Idempotency-Key": "k" * many,
        "User-Agent": "\xcc\x81\xcc\x96" * (many // 4),
        "Content-Type": "multipart/form-data" + "; a=b" * (many // 5),
        "Sec-Fetch-Site": "x" * many,
    }
    for name, value in values.items():
        extra = {"HX-Request": "true"} if name.startswith("HX") else {}
        yield Request(f"{name} of {len(value):,}", {"headers": {name: value, **extra}})
    yield Request("head of 400,000", {"headers": {"X-Filler": "x" * 400_000}})
    yield Request("Authorization: Basic", {"headers": {"Authorization": "Basic " + "QTpB" * (many // 4)}})
    yield Request("session cookie", {"headers": {"Cookie": "latchkey=." + "e" * many + "; device=" + "x" * 900}})


def addresses(client_id: str) -> Iterator[Request]:
    """Queries just below what is still looked at, and far beyond."""
    yield Request("query of 400,000", {"query_string": "scope=" + "a+" * 200_000})
    yield Request("query of many fields", {"query_string": "a&" * 8_000})
    for about, text in TEXTS.items():
        cut = text.encode()[:600].decode(errors="ignore")
        asked = dict.fromkeys(("q", "next", "scope", "redirect_uri", "cursor", "client_id", "prompt"), cut)
        yield Request(f"query: {about}", {"query_string": asked})
    yield Request("query and next", {"query_string": {"next": "/oauth/authorize?" + "a&" * 1_900}})
    app = {"client_id": client_id, "response_type": "code"}
    yield Request("many scopes", {"query_string": {**app, "scope": "account:read " * 900}})
    yield Request("many resources", {"query_string": urlencode([*app.items(), *[("resource", "http://a/")] * 600])})
    for about, text in TEXTS.items():
        cut = text.encode()[:1_000].decode(errors="ignore")
        asked = dict.fromkeys(("scope", "state", "prompt", "resource", "code_challenge", "nonce"), cut)
        yield Request(f"of an app: {about}", {"query_string": {**app, **asked}})
        yield Request(f"redirect URI: {about}", {"query_string": {**app, "redirect_uri": text[:5_000]}})


def bodies(secret: str, client_id: str) -> Iterator[Request]:
    """Forms with a good CSRF token and JSON, up to their limits and far beyond."""

    def form(name: str, data: bytes, kind: str = FORM, **headers: str) -> Request:
        return Request(name, {"data": data, "content_type": kind, "headers": headers})

    start = b"csrf_token=" + secret.encode()
    yield form("form of 690,000 fields", start + b"&a" * 690_000)
    yield form("form of 500 fields", start + b"&a=b" * 499)
    yield form("form of 64 KiB", start + b"&email=" + b"a" * 65_000)
    yield form("form of percent signs", start + b"&email=" + b"%41" * 21_000)
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    token = part.format("csrf_token", secret)
    yield form("multipart of many parts", (token + part.format("a", "") * 900 + "--b--").encode(), MULTIPART)
    yield form("multipart of 64 KiB", (token + part.format("email", "\r\n-" * 21_000) + "--b--").encode(), MULTIPART)
    yield form("multipart without an end", (token + "--b\r\n" + "A: b\r\n" * 10_000).encode(), MULTIPART)
    yield form("10 MB", b"x" * 10_000_000, "text/plain")
    for about, text in TEXTS.items():
        cut = text.encode()[: 20_000 // len(FIELDS)].decode(errors="ignore")
        every = urlencode(dict.fromkeys(FIELDS, cut) | {"csrf_token": secret})
        yield form(f"form: {about}", every.encode())
        typed = {"csrf_token": secret, "email": text, "password": text, "name": text}
        yield Request(f"every field: {about}", {"data": typed})
        # Good but for its password, which is judged.
        newcomer = typed | {"email": "eve@example.com", "name": "Eve", "password": text[:250]}
        yield Request(f"password: {about}", {"data": newcomer})
        app = {"client_id": client_id, "grant_type": "authorization_code", "code": text, "code_verifier": text}
        yield form(f"of an app: {about}", urlencode({**app, "redirect_uri": text, "scope": text}).encode()[:65_000])
    found = [credentials.generate(kind) for kind in (Kind.DEVELOPER, Kind.SECRET, Kind.REFRESH) for _ in range(333)]
    yield form("JSON of 1,000 credentials", json.dumps({"credentials": found}).encode(), JSON)
    yield form("JSON of many names", json.dumps({f"n{number}": 1 for number in range(20_000)}).encode(), JSON)
    yield form("JSON of many items", b'{"credentials":[' + b'"",' * 80_000 + b'""]}', JSON)
    yield form("JSON, deep", b"[" * 250_000, JSON)
    yield form("JSON, deep and closed", b'{"a":' * 900 + b"1" + b"}" * 900, JSON)
    yield form("JSON, a long number", b'{"name":' + b"9" * 250_000 + b"}", JSON)
    yield form("JSON of escapes", b'{"name":"' + b"\\u0301\\u0316" * 20_000 + b'"}', JSON)


def paths(app: Flask, share: int, of: int) -> Iterator[tuple[Rule, str, str]]:
    """Every route with ids of nobody in it, by every method."""
    for rule in islice(app.url_map.iter_rules(), share, None, of):
        path = re.sub(r"<id:(\w+)>", lambda found: f"{NO_ID.get(found[1], 'sec')}_{'0' * 28}", rule.rule)
        path = re.sub(r"<any\((\w+)[^>]*>", r"\1", path)
        path = re.sub(r"<[^>]+>", "x", path)
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            yield rule, path, method


def measured(app: Flask, method: str, path: str, given: Mapping[str, Any], cookie: str) -> tuple[float, int]:
    """Milliseconds of processor time, and the status."""
    headers = {"Cookie": cookie, **(given.get("headers") or {})}
    environ = EnvironBuilder(path, method=method, **{**given, "headers": headers}).get_environ()
    started = time.thread_time()
    _, answered, _ = run_wsgi_app(app, environ, buffered=True)
    spent = (time.thread_time() - started) * 1000
    # What is counted would soon be refused without work.
    with transaction() as connection:
        connection.cursor().execute(f"DELETE FROM {Attempt.__tablename__}")
    return spent, int(answered[:3])


def sends_away(stranger: FlaskClient, rule: Rule, method: str, path: str, given: Mapping[str, Any]) -> bool:
    """Whether a stranger meets there what answers for many routes alike, and never what is the route's own."""
    answer = stranger.open(path, method=method, **given)
    leads_in = answer.headers.get("Location", "").startswith("/login") and not rule.rule.startswith("/login")
    hidden = answer.status_code == 404 and rule.rule.startswith("/admin")
    asked_for_token = answer.status_code == 401 and rule.endpoint.startswith("api.")
    return method == "OPTIONS" or leads_in or hidden or asked_for_token


def costs(app: Flask, client_id: str, dear: float = 5, share: int = 0, of: int = 1, *, alike: int = 1) -> list[Cost]:
    """Every attack on every route, the dearest first. What seems dear is the best of four tries.

    Several who each take a `share` of the routes try all of them together. Of routes that are `alike` to a stranger
    each takes one attack of so many, the next route the next.
    """
    client = app.test_client()
    field = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', client.get("/login").text)
    kept = client.get_cookie("latchkey")
    if field is None or kept is None:
        raise SystemExit("no form at /login")
    secret, cookie = field[1], f"latchkey={kept.value}"
    found = []
    reads = [Request("nothing", {}), *heads(), *addresses(client_id)]
    writes = [*heads(), *bodies(secret, client_id)]
    turn, stranger = count(), app.test_client(use_cookies=False)
    good = {"data": {"csrf_token": secret}, "headers": {"Cookie": cookie}}
    for rule, path, method in paths(app, share, of):
        # Templates are compiled once a process.
        measured(app, method, path, {}, cookie)
        attacks = writes if method in ("POST", "PUT", "PATCH", "DELETE") else reads
        if alike > 1 and sends_away(stranger, rule, method, path, good):
            attacks = attacks[next(turn) % alike :: alike]
        for attack in attacks:
            spent, status = measured(app, method, path, attack.given, cookie)
            if spent > dear:
                spent = min(spent, *(measured(app, method, path, attack.given, cookie)[0] for _ in range(3)))
            found.append(Cost(spent, status, f"{method} {rule.rule}", attack.name))
    return sorted(found, reverse=True)


def fill() -> str:
    """A user with many public apps; the id of one of them."""
    owner = users.sign_up(email="ada@example.com", name="Ada", password="umbrella-quarry-violet-91", verified=True)
    for number in range(CLIENTS):
        client, _ = clients.register(
            owner,
            name=f"Page {number}",
            redirect_uris=[f"https://spa{number}.example/cb"],
            scopes=["account:read"],
            confidential=False,
        )
    db.commit()
    return client.id


def main() -> None:
    """Print the dearest requests."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"base_url": "http://localhost", "mode": "development", "quota_apps": CLIENTS}
        ours = settings.load({}, instance=Path(folder), database_url=f"sqlite:///{folder}/latchkey.db", **given)
        settings.use(ours)
        database.configure(ours.database_url)
        migrations.upgrade()
        passwords._cost = passwords.Cost(passes=1, kib=8)
        app = create_app(ours)
        with app.app_context():
            client_id = fill()
        found = costs(app, client_id)
        database.dispose()
    print(f"{len(found):,} requests of strangers, the {SHOWN} dearest in milliseconds of processor time:\n")
    for cost in found[:SHOWN]:
        print(f"{cost.milliseconds:7.1f}  {cost.status}  {cost.route:<44} {cost.attack}")


if __name__ == "__main__":
    main()

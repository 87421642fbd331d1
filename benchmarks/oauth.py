"""What the jobs of programs cost beside a bare Flask route: `python -m benchmarks.oauth`."""

import base64
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlencode

from sqlalchemy import insert

from benchmarks import harness, seed
from benchmarks.rows import Row
from benchmarks.sites import POSTGRESQL, SQLITE, Site, main
from latchkey import clients, clock, credentials, grants, ids
from latchkey.accounts import sessions
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store import session as db
from latchkey.tokens import Token
from latchkey.tokens.record import columns
from oauth.token.codes import AuthorizationCode

ME, CHECK, INTROSPECTION = "`GET /v1/me`", "`/oauth/check`", "introspection"
CODE, REFRESH, OWN = "code → tokens", "refresh → tokens", "client credentials"
GOALS = {
    ME: {SQLITE: 1.3, POSTGRESQL: 0.75},
    CHECK: {SQLITE: 1.5, POSTGRESQL: 0.9},
    INTROSPECTION: {SQLITE: 1.0, POSTGRESQL: 0.55},
    CODE: {SQLITE: 0.36, POSTGRESQL: 0.25},
    REFRESH: {SQLITE: 0.36, POSTGRESQL: 0.25},
    OWN: {SQLITE: 0.45, POSTGRESQL: 0.30},
}
# Requests a round.
READS, WRITES = 4_000, 1_000
COUNTS = {ME: READS, CHECK: READS, INTROSPECTION: READS, CODE: WRITES, REFRESH: WRITES, OWN: WRITES}
TOKENS = 100_000
CALLBACK = "https://app.example.com/callback"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _signed_in(user: User, client: Client, count: int) -> list[str]:
    """The grants of so many sign-ins."""
    standing = grants.allow(user, client, ["account:read"])
    db.db.commit()
    common = {"client_id": client.id, "user_id": user.id, "scope": "account:read"}
    made = [{"id": ids.new_id("grt"), "authorization_id": standing.authorization_id or ""} for _ in range(count)]
    with db.engines().write.begin() as connection:
        connection.execute(insert(Grant), [grant | common for grant in made])
    return [grant["id"] for grant in made]


def _codes(user: User, client: Client, count: int) -> Iterator[dict[str, str]]:
    """What redeems codes that live long enough to be measured, each under a grant of its own."""
    session, now = sessions.open(user), clock.now()
    db.db.commit()
    asked = {"session_id": session.id, "redirect_uri": CALLBACK, "redirect_uri_sent": True, "authenticated_at": now}
    asked["expires_at"] = now + timedelta(hours=1)
    rows = []
    for grant_id in _signed_in(user, client, count):
        code, verifier = credentials.opaque(), secrets.token_urlsafe(48)
        fresh = {"digest": credentials.digest(code), "grant_id": grant_id, "challenge": _challenge(verifier)}
        rows.append(asked | fresh)
        yield {"code": code, "code_verifier": verifier, "redirect_uri": CALLBACK, "grant_type": "authorization_code"}
    with db.engines().write.begin() as connection:
        connection.execute(insert(AuthorizationCode), rows)


def _refreshes(user: User, client: Client, count: int) -> Iterator[dict[str, str]]:
    """What uses refresh tokens, each under a grant of its own."""
    now = clock.now()
    fresh = {"user_id": user.id, "scope": "account:read", "created_at": now, "expires_at": now + timedelta(days=30)}
    rows = []
    for grant_id in _signed_in(user, client, count):
        token = credentials.generate(Kind.REFRESH)
        rows.append(fresh | columns(token, Kind.REFRESH) | {"id": ids.new_id("tok"), "grant_id": grant_id})
        yield {"grant_type": "refresh_token", "refresh_token": token}
    with db.engines().write.begin() as connection:
        connection.execute(insert(Token), rows)


def registered(user: User) -> tuple[Client, str]:
    """An app, and the header by which it says who it is."""
    client, secret = clients.register(
        user, name="Example", redirect_uris=[CALLBACK], scopes=["account:read"], confidential=True
    )
    db.db.commit()
    return client, "Basic " + base64.b64encode(f"{quote(client.id)}:{quote(secret or '')}".encode()).decode()


def reads(plaintexts: Sequence[str], basic: str) -> dict[str, list[bytes]]:
    """The requests of each job that asks about tokens."""
    bearers = [{"Authorization": f"Bearer {text}"} for text in plaintexts]
    return {
        ME: [harness.get("/v1/me", **bearer) for bearer in bearers],
        CHECK: [harness.get("/oauth/check?scope=account:read", **bearer) for bearer in bearers],
        INTROSPECTION: [harness.post("/oauth/introspect", f"token={text}", Authorization=basic) for text in plaintexts],
    }


def writes(user: User, client: Client, basic: str) -> dict[str, list[bytes]]:
    """The requests of each job that makes tokens, as many as all rounds need."""
    every = WRITES * (harness.ROUNDS + 1)
    own = [{"grant_type": "client_credentials"}]
    forms = {CODE: _codes(user, client, every), REFRESH: _refreshes(user, client, every), OWN: own}
    return {
        name: [harness.post("/oauth/token", urlencode(form), Authorization=basic) for form in those]
        for name, those in forms.items()
    }


def prepare(instance: Path) -> dict[str, list[bytes]]:
    """The requests of each job, on an instance with so many tokens."""
    seed.connect(instance)
    user = seed.user("alice@example.com")
    plaintexts = seed.tokens(user, TOKENS)
    client, basic = registered(user)
    requests = reads(plaintexts, basic) | writes(user, client, basic)
    db.dispose()
    return requests


def rows(sites: Sequence[Site]) -> list[Row]:
    """The share of a bare route's CPU that each job takes, on each site."""
    with ExitStack() as stack:
        jobs = {}
        for site in sites:
            requests = site.call(prepare)
            server = stack.enter_context(site.serve())
            for name, count in COUNTS.items():
                jobs[name, site] = harness.Load(server, requests[name], count=count)
        ratios = harness.against_bare(*jobs.values())
    return [site.row(name, ratio, GOALS[name]) for (name, site), ratio in zip(jobs, ratios, strict=True)]


if __name__ == "__main__":
    main("CPU, as a share of a bare Flask route's", rows)

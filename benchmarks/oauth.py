"""What the jobs of programs cost beside a bare Flask route: `python -m benchmarks.oauth`."""

import base64
import secrets
from collections.abc import Sequence
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
from latchkey.grants import Grant
from latchkey.store import session as db
from oauth.token.codes import AuthorizationCode

ME, CHECK, INTROSPECTION, CODE = "`GET /v1/me`", "`/oauth/check`", "introspection", "code → tokens"
GOALS = {
    ME: {SQLITE: 1.3, POSTGRESQL: 0.75},
    CHECK: {SQLITE: 1.5, POSTGRESQL: 0.9},
    INTROSPECTION: {SQLITE: 1.0, POSTGRESQL: 0.55},
    CODE: {SQLITE: 0.36, POSTGRESQL: 0.25},
}
# Requests a round.
READS, WRITES = 4_000, 1_000
COUNTS = {ME: READS, CHECK: READS, INTROSPECTION: READS, CODE: WRITES}
TOKENS = 100_000
CALLBACK = "https://app.example.com/callback"


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _codes(user: User, client: Client, count: int) -> list[tuple[str, str]]:
    """Codes that live long enough to be measured, with their verifiers, each under its own grant."""
    standing = grants.allow(user, client, ["account:read"])
    session = sessions.open(user)
    db.db.commit()
    pairs = [(credentials.opaque(), secrets.token_urlsafe(48)) for _ in range(count)]
    now = clock.now()
    made = [{"id": ids.new_id("grt")} for _ in pairs]
    common = {"client_id": client.id, "user_id": user.id, "scope": "account:read"}
    common["authorization_id"] = standing.authorization_id or ""
    with db.engines().write.begin() as connection:
        connection.execute(insert(Grant), [grant | common for grant in made])
        connection.execute(
            insert(AuthorizationCode),
            [
                {
                    "digest": credentials.digest(code),
                    "grant_id": grant["id"],
                    "session_id": session.id,
                    "redirect_uri": CALLBACK,
                    "redirect_uri_sent": True,
                    "challenge": _challenge(verifier),
                    "resource": "",
                    "authenticated_at": now,
                    "expires_at": now + timedelta(hours=1),
                }
                for (code, verifier), grant in zip(pairs, made, strict=True)
            ],
        )
    return pairs


def _exchanges(pairs: list[tuple[str, str]], basic: str) -> list[bytes]:
    forms = [
        {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
        for code, verifier in pairs
    ]
    return [harness.post("/oauth/token", urlencode(form), Authorization=basic) for form in forms]


def prepare(instance: Path) -> dict[str, list[bytes]]:
    """The requests of each job, on an instance with so many tokens."""
    seed.connect(instance)
    user = seed.user("alice@example.com")
    plaintexts = seed.tokens(user, TOKENS)
    client, secret = clients.register(
        user, name="Example", redirect_uris=[CALLBACK], scopes=["account:read"], confidential=True
    )
    db.db.commit()
    basic = "Basic " + base64.b64encode(f"{quote(client.id)}:{quote(secret or '')}".encode()).decode()
    exchanges = _exchanges(_codes(user, client, WRITES * (harness.ROUNDS + 1)), basic)
    bearers = [{"Authorization": f"Bearer {text}"} for text in plaintexts]
    db.dispose()
    return {
        ME: [harness.get("/v1/me", **bearer) for bearer in bearers],
        CHECK: [harness.get("/oauth/check?scope=account:read", **bearer) for bearer in bearers],
        INTROSPECTION: [harness.post("/oauth/introspect", f"token={text}", Authorization=basic) for text in plaintexts],
        CODE: exchanges,
    }


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

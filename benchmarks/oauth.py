"""What code to tokens, introspection and the gateway check cost: `python -m benchmarks.oauth`."""

import base64
import secrets
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

from sqlalchemy import insert

from benchmarks import harness, seed
from latchkey import clients, clock, credentials, grants, ids
from latchkey.accounts import sessions
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Grant
from latchkey.store import session as db
from oauth.token.codes import AuthorizationCode

CODE_GOAL, INTROSPECTION_GOAL, CHECK_GOAL = 0.25, 0.50, 0.70
CODES, TOKENS = 1_000, 100_000
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


def main() -> None:
    with harness.scratch() as instance:
        seed.connect(instance)
        user = seed.user("alice@example.com")
        plaintexts = seed.tokens(user, TOKENS)
        client, secret = clients.register(
            user, name="Example", redirect_uris=[CALLBACK], scopes=["account:read"], confidential=True
        )
        db.db.commit()
        basic = "Basic " + base64.b64encode(f"{quote(client.id)}:{quote(secret or '')}".encode()).decode()
        exchanges = _exchanges(_codes(user, client, CODES * (harness.ROUNDS + 1)), basic)
        db.dispose()
        questions = [harness.post("/oauth/introspect", f"token={text}", Authorization=basic) for text in plaintexts]
        checks = [harness.get("/oauth/check?scope=account:read", Authorization=f"Bearer {text}") for text in plaintexts]
        with harness.bare(instance) as bare, harness.latchkey(instance) as ours:
            harness.against_bare(
                bare,
                {
                    "Code to tokens": (harness.Load(ours, exchanges, count=CODES), CODE_GOAL),
                    "Introspection": (harness.Load(ours, questions, count=4_000), INTROSPECTION_GOAL),
                    "Gateway check": (harness.Load(ours, checks, count=4_000), CHECK_GOAL),
                },
            )


if __name__ == "__main__":
    main()

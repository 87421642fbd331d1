"""Fills a scratch instance with users and tokens, quickly and through the product's own tables."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from latchkey import clock, credentials, ids, settings
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.naming import presets
from latchkey.store import migrations
from latchkey.store import session as db
from latchkey.tokens import Token

PASSWORD = "correct horse battery staple"
BATCH = 10_000


def connect(instance: Path, **overrides: str) -> None:
    """Point this process at an instance, with the schema in place."""
    settings.use(settings.load(os.environ, instance=instance, **overrides))
    presets.load_catalogue(instance)
    db.configure(settings.current().database_url)
    migrations.upgrade()


def user(email: str) -> users.User:
    """A verified user."""
    made = users.sign_up(email=email, name="Alice", password=PASSWORD, verified=True)
    db.db.commit()
    return made


def tokens(owner: users.User, count: int, kept: int = 5_000) -> list[str]:
    """Make developer tokens in bulk; the plaintexts of `kept` of them, spread over all."""
    step, plaintexts = max(1, count // kept), []
    for first in range(0, count, BATCH):
        rows = list(_rows(owner, min(BATCH, count - first)))
        plaintexts += [text for number, (text, _) in enumerate(rows, first) if number % step == 0]
        with db.engines().write.begin() as connection:
            connection.execute(insert(Token), [row for _, row in rows])
    return plaintexts[:kept]


def _rows(owner: users.User, count: int) -> Iterator[tuple[str, dict[str, object]]]:
    now, scope = clock.now(), "account:read account:write tokens:read"
    for number in range(count):
        text = credentials.generate(Kind.DEVELOPER)
        yield (
            text,
            {
                "id": ids.new_id("tok"),
                "kind": Kind.DEVELOPER.value,
                "digest": credentials.digest(text),
                "last4": text[-4:],
                "user_id": owner.id,
                "description": f"token {number}",
                "scope": scope,
                "created_at": now,
                "created_address": "127.0.0.1",
                "created_agent": "benchmark",
                "expires_at": now + timedelta(days=90),
                # So that no use falls due to be noted while it is measured: in steady use few do.
                "last_used_at": now + timedelta(hours=1),
            },
        )

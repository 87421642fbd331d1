"""An import that is killed in the middle has brought whole batches, and the next try brings the rest, once."""

import json
import os
import signal
import subprocess
import time

import pytest
from sqlalchemy import func, select

from latchkey import tokens
from latchkey.grants import Grant
from latchkey.store.session import db as session
from latchkey.tokens import Token
from latchkey.tokens.imported import record as imported
from latchkey.tokens.imported.record import ForeignToken
from tests import servers
from tests.cli import moving

pytestmark = pytest.mark.slow("runs the command twice, which takes seconds to start")

TOKENS = 1_500


def start(settings, path) -> subprocess.Popen[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    given = {
        "LATCHKEY_INSTANCE": str(settings.instance),
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_BASE_URL": settings.base_url,
        "LATCHKEY_MODE": settings.mode,
    }
    command = [str(servers.LATCHKEY), "import", path, "--from", "django-oauth-toolkit", *moving.SCOPES, "--json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=clean | given, cwd=servers.ROOT, **streams)


def there() -> int:
    count = session.scalar(select(func.count()).select_from(Token))
    session.remove()
    return count or 0


def test_whoever_is_killed_has_lost_nothing_and_the_next_try_goes_on(settings, db, tmp_path):
    users = [moving.django("auth.user", n, email=f"u{n}@example.com", is_active=True) for n in range(50)]
    app = moving.django("oauth2_provider.application", 1, client_id="a", user=0, name="App", redirect_uris="")
    given = [
        moving.django(
            "oauth2_provider.accesstoken", n, user=n % 50, application=1 if n % 2 else None, token=f"token-{n}",
            scope="read", expires="2100-01-01T00:00:00Z",
        )
        for n in range(TOKENS)
    ]  # fmt: skip
    path = moving.lines(tmp_path / "file", [*users, app, *given])

    process = start(settings, path)
    while not there():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    killed_at = there()
    assert killed_at < TOKENS
    assert session.scalar(select(func.count()).select_from(ForeignToken)) == killed_at
    session.remove()

    out, err = start(settings, path).communicate(timeout=240)

    told = json.loads(out)
    assert (told["tokens"], told["skipped"]) == ({"new": TOKENS - killed_at, "known": killed_at, "skipped": 0}, []), err
    assert there() == TOKENS
    assert session.scalar(select(func.count()).select_from(Grant)) == TOKENS // 2
    assert session.scalar(select(func.count(Token.user_id.distinct()))) == 50
    imported.refresh()
    assert all(tokens.find(f"token-{n}") for n in (0, 1, TOKENS - 1))

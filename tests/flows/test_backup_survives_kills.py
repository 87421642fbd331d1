"""A backup and a restore that are killed in the middle leave nothing that looks whole, and the next try goes on."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import insert

from latchkey import clock, tokens
from latchkey.ids import new_id
from latchkey.mail.outbox import Letter
from latchkey.store.session import configure as connect
from latchkey.store.session import db as session
from tests import factories, servers

pytestmark = pytest.mark.slow("runs the command several times, on megabytes")

PASSPHRASE = b"a quiet umbrella\n"
LETTERS = 1_500


def run(settings, *arguments: str, **changed: str) -> subprocess.Popen[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    given = {
        "LATCHKEY_INSTANCE": str(settings.instance),
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_BASE_URL": settings.base_url,
        "LATCHKEY_MODE": settings.mode,
    }
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [str(servers.LATCHKEY), *arguments]
    process = subprocess.Popen(command, env=clean | given | changed, cwd=servers.ROOT, **streams)
    process.stdin.write(PASSPHRASE)
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[bytes]) -> str:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out.decode()


def kill_once(process: subprocess.Popen[bytes], reached) -> None:
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def place(process: subprocess.Popen[bytes], path: Path) -> int:
    """How far a process has read a file (Linux)."""
    for handle in Path(f"/proc/{process.pid}/fd").iterdir():
        # The process goes on meanwhile, and may have closed what was listed.
        with contextlib.suppress(FileNotFoundError):
            if handle.readlink() == path:
                facts = Path(f"/proc/{process.pid}/fdinfo/{handle.name}").read_text()
                return int(facts.partition("pos:")[2].split()[0])
    return 0


@pytest.fixture
def token(alice, db) -> str:
    """A token in a database of many megabytes."""
    now = clock.now()
    filler = {"recipient": "x@example.com", "name": "x", "subject": "x", "sealed": "x" * 8_000, "sent_at": now}
    rows = [filler | {"id": new_id("ltr"), "created_at": now, "next_attempt_at": now} for _ in range(LETTERS)]
    session.execute(insert(Letter), rows)
    session.commit()
    return factories.make_token(alice).plaintext


def test_whoever_is_killed_leaves_nothing_half_and_the_next_try_goes_on(settings, token, empty_database, tmp_path):
    path, folder = tmp_path / "latchkey.backup", tmp_path / "elsewhere"
    target = {"LATCHKEY_INSTANCE": str(folder), "LATCHKEY_DATABASE_URL": empty_database}
    restore = ("restore", str(path), "--passphrase-stdin")

    def written() -> bool:
        return any(part.stat().st_size > 2_000_000 for part in tmp_path.glob(".latchkey.backup-*"))

    kill_once(run(settings, "backup", str(path), "--passphrase-stdin"), written)
    assert not path.exists()
    finish(run(settings, "backup", str(path), "--passphrase-stdin"))
    size, furthest = path.stat().st_size, 0

    def half_restored() -> bool:
        """It reads the file twice: to look through it, and to put it in."""
        nonlocal furthest
        now = place(process, path)
        furthest = max(now, furthest)
        return furthest == size and size // 3 < now < size

    process = run(settings, *restore, **target)
    kill_once(process, half_restored)

    finish(run(settings, *restore, **target))
    assert "ok      activity" in finish(run(settings, "doctor", **target))
    connect(empty_database)
    assert tokens.find(token).user.email == "alice@example.com"

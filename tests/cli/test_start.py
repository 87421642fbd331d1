"""What a server does before its workers are forked: once, and so that they can share it."""

import json
import os
import subprocess
import sys
import threading

import pytest

from app import prepare_server
from latchkey.settings import ROOT
from latchkey.store import session

# Each costs a tenth of a start or many megabytes, and most processes never need it.
SELDOM_NEEDED = {
    *("alembic", "argon2", "PIL", "OpenSSL", "bcrypt", "cbor2", "joserfc", "limits", "psycopg", "redis", "segno"),
    *("webauthn", "zxcvbn"),
}


@pytest.mark.slow("makes the product as a start does")
def test_what_workers_share_holds_no_connection_and_no_thread(settings):
    # One that another test left may end meanwhile.
    before = set(threading.enumerate())

    prepare_server(settings)

    assert set(threading.enumerate()) <= before
    assert session._engines == []


@pytest.mark.slow("starts a process, since what is loaded in this one says nothing")
def test_what_is_seldom_needed_is_loaded_neither_at_the_start_nor_by_who_comes_to_sign_in(database, instance):
    asked = (
        "import json, sys; from cli import latchkey; from cli.installation import prepare; from app import *;"
        "prepare(); begin_server(prepare_server(settings.load()));"
        "create_app().test_client().get('/login').text.index('data-passkey=');"
        "print(json.dumps(list(sys.modules)))"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
    given = {"LATCHKEY_INSTANCE": str(instance), "LATCHKEY_DATABASE_URL": database, "LATCHKEY_MODE": "development"}

    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, env=kept | given, cwd=ROOT, capture_output=True, text=True, check=True)

    needed = {"psycopg"} if database.startswith("postgresql") else set()
    assert SELDOM_NEEDED & set(json.loads(done.stdout)) == needed

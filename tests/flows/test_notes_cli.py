"""A company's own command-line tool signs in by the device flow, as a new user would do it (examples/notes-cli)."""

import os
import re
import subprocess
import sys

import pytest

from latchkey import grants
from latchkey.accounts.users import User
from latchkey.grants import Authorization
from latchkey.store.session import db
from tests import factories, servers
from tests.oauth import dance
from tests.oauth.conftest import enter

TOOL = servers.ROOT / "examples" / "notes-cli" / "notes.py"
# No test has a desktop with a keyring: this one has the three functions of it that the tool calls.
KEYRING = """
import os, pathlib

def _file(service, name):
    return pathlib.Path(os.environ["HOME"]) / f"{service}.{name}"

def set_password(service, name, text):
    _file(service, name).write_text(text)

def get_password(service, name):
    return _file(service, name).read_text() if _file(service, name).exists() else None

def delete_password(service, name):
    _file(service, name).unlink()
"""


@pytest.fixture
def tool(live_server, bob: User, tmp_path):
    """Starts the tool with a command, on a machine of its own."""
    app = factories.make_client(bob, name="Notes CLI", confidential=False, device_flow=True).client
    (tmp_path / "keyring.py").write_text(KEYRING)
    there = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "NOTES_LATCHKEY": live_server.url,
        "NOTES_CLIENT_ID": app.id,
        "PATH": os.environ["PATH"],
    }

    def start(command: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([sys.executable, str(TOOL), command], env=there, **pipes)

    return start


def said(tool, command: str) -> str:
    return tool(command).communicate(timeout=30)[0]


@pytest.mark.slow("the tool waits for five seconds before it asks, as it is told to")
def test_the_tool_is_signed_in_and_out_by_its_user(tool, app, alice: User):
    assert "Sign in first" in said(tool, "whoami")
    signing_in = tool("sign-in")
    shown = re.search(r"type ([A-Z]{4}-[A-Z]{4})", signing_in.stdout.readline())
    browser = enter(app.test_client(), alice)
    dance.agree(browser, {"user_code": shown[1]})

    assert "Signed in." in signing_in.communicate(timeout=30)[0]
    assert said(tool, "whoami") == said(tool, "whoami") == f"{alice.email}\n"
    db.rollback()
    grants.withdraw(db.query(Authorization).one())
    db.commit()
    assert "The sign-in is over" in said(tool, "whoami")
    assert "Sign in first" in said(tool, "whoami")
    assert said(tool, "sign-out") == "Signed out.\n"

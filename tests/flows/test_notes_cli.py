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
from keyring import errors

def _file(service, name):
    if "NO_KEYRING" in os.environ:
        raise errors.NoKeyringError("No recommended backend was available.")
    return pathlib.Path(os.environ["HOME"]) / f"{service}.{name}"

def set_password(service, name, text):
    _file(service, name).write_text(text)

def get_password(service, name):
    return _file(service, name).read_text() if _file(service, name).exists() else None

def delete_password(service, name):
    _file(service, name).unlink()
"""

ERRORS = """
class KeyringError(Exception):
    pass

class NoKeyringError(KeyringError, RuntimeError):
    pass
"""


@pytest.fixture
def tool(live_server, bob: User, tmp_path):
    """Starts the tool with a command, on a machine of its own."""
    app = factories.make_client(bob, name="Notes CLI", confidential=False, device_flow=True).client
    (tmp_path / "keyring").mkdir()
    (tmp_path / "keyring" / "__init__.py").write_text(KEYRING)
    (tmp_path / "keyring" / "errors.py").write_text(ERRORS)
    there = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "NOTES_LATCHKEY": live_server.url,
        "NOTES_CLIENT_ID": app.id,
        "PATH": os.environ["PATH"],
    }

    def start(command: str, **more: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([sys.executable, str(TOOL), command], env=there | more, **pipes)

    return start


def said(tool, command: str, **more: str) -> str:
    return tool(command, **more).communicate(timeout=60)[0]


@pytest.mark.either_database("about a program that is signed in as others are")
@pytest.mark.slow("runs the tool, which takes seconds to start")
def test_what_is_missing_on_the_machine_is_said_in_a_line_before_anybody_types_a_code(tool):
    for command in ("sign-in", "whoami", "sign-out"):
        told = said(tool, command, NO_KEYRING="1")
        assert told.startswith("The keyring of this system cannot be used: No recommended backend")
        assert "Traceback" not in told
    assert said(tool, "whoami", NOTES_CLIENT_ID="").startswith("NOTES_CLIENT_ID is not set")
    assert "does not answer" in said(tool, "sign-in", NOTES_LATCHKEY="http://127.0.0.1:9")


@pytest.mark.either_database("about a program that is signed in as others are")
@pytest.mark.slow("the tool waits for five seconds before it asks, as it is told to")
def test_the_tool_is_signed_in_and_out_by_its_user(tool, app, alice: User):
    assert "Sign in first" in said(tool, "whoami")
    signing_in = tool("sign-in")
    shown = re.search(r"type ([A-Z]{4}-[A-Z]{4})", signing_in.stdout.readline())
    browser = enter(app.test_client(), alice)
    dance.agree(browser, {"user_code": shown[1]})

    assert "Signed in." in signing_in.communicate(timeout=60)[0]
    assert said(tool, "whoami") == said(tool, "whoami") == f"{alice.email}\n"
    db.rollback()
    grants.withdraw(db.query(Authorization).one())
    db.commit()
    assert "The sign-in is over" in said(tool, "whoami")
    assert "Sign in first" in said(tool, "whoami")
    assert said(tool, "sign-out") == "Signed out.\n"

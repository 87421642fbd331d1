"""A command-line tool of a company's own: it signs in by the device flow (RFC 8628).

`notes.py sign-in`, `notes.py whoami`, `notes.py sign-out`. Its refresh token stands in the keyring of the system.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keyring
import requests
from keyring.errors import KeyringError

LATCHKEY = os.environ.get("NOTES_LATCHKEY", "https://developer.example.com")
CLIENT_ID = os.environ.get("NOTES_CLIENT_ID", "")
SCOPE = "account:read"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SERVICE = "notes-cli"
SECONDS = 10


class Stop(SystemExit):
    """The tool ends with one line that says why."""


def post(path: str, **fields: str) -> tuple[int, dict]:
    answer = requests.post(f"{LATCHKEY}{path}", data={"client_id": CLIENT_ID, **fields}, timeout=SECONDS)
    return answer.status_code, answer.json()


def sign_in() -> None:
    """Show a code, and ask until somebody has typed it in a browser: at the pace that the server wants."""
    # What is signed in has to be kept: whether that is possible shows before anybody types a code.
    keyring.get_password(SERVICE, CLIENT_ID)
    status, begun = post("/oauth/device_authorization", scope=SCOPE)
    if status != 200:
        raise Stop(f"The portal said no: {begun['error_description']}")
    print(f"Open {begun['verification_uri']} and type {begun['user_code']}", flush=True)
    pause, until = begun["interval"], time.monotonic() + begun["expires_in"]
    while time.monotonic() < until:
        time.sleep(pause)
        status, answer = post("/oauth/token", grant_type=DEVICE, device_code=begun["device_code"])
        if status == 200:
            keyring.set_password(SERVICE, CLIENT_ID, answer["refresh_token"])
            print("Signed in.")
            return
        if answer["error"] == "slow_down":
            pause += 5
        elif answer["error"] != "authorization_pending":
            raise Stop(f"Not signed in: {answer['error_description']}")
    raise Stop("Nobody typed the code in time.")


@contextmanager
def alone() -> Iterator[None]:
    """Two processes must not use one refresh token: the second use of it ends the sign-in."""
    with (Path.home() / ".notes-cli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def access_token() -> str:
    """A token for an hour, kept nowhere. Its refresh token is used once; the next one takes its place at once."""
    with alone():
        kept = keyring.get_password(SERVICE, CLIENT_ID)
        if kept is None:
            raise Stop("Sign in first: notes.py sign-in")
        status, answer = post("/oauth/token", grant_type="refresh_token", refresh_token=kept)
        if status == 200:
            keyring.set_password(SERVICE, CLIENT_ID, answer["refresh_token"])
            return answer["access_token"]
        if answer["error"] == "invalid_grant":
            keyring.delete_password(SERVICE, CLIENT_ID)
    raise Stop("The sign-in is over. Sign in again: notes.py sign-in")


def who_am_i() -> None:
    bearer = {"Authorization": f"Bearer {access_token()}"}
    print(requests.get(f"{LATCHKEY}/v1/me", headers=bearer, timeout=SECONDS).json()["email"])


def sign_out() -> None:
    """Give the sign-in back, so that it works nowhere any more."""
    with alone():
        kept = keyring.get_password(SERVICE, CLIENT_ID)
        if kept is not None:
            post("/oauth/revoke", token=kept)
            keyring.delete_password(SERVICE, CLIENT_ID)
    print("Signed out.")


COMMANDS = {"sign-in": sign_in, "whoami": who_am_i, "sign-out": sign_out}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        raise Stop(f"Usage: notes.py {'|'.join(COMMANDS)}")
    if not CLIENT_ID:
        raise Stop("NOTES_CLIENT_ID is not set: it is the id of this tool's app at the portal.")
    try:
        COMMANDS[sys.argv[1]]()
    except KeyringError as error:
        raise Stop(
            f"The keyring of this system cannot be used: {error}\n“keyring diagnose” says what there is."
        ) from None
    except requests.RequestException:
        raise Stop(f"{LATCHKEY} does not answer as the portal does.") from None

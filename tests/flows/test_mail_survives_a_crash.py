"""Mail between a commit and its delivery: a crash loses none of it, and a mail server that stalls holds up nobody."""

import os
import signal
import time
from pathlib import Path

import pytest
import requests

from tests import pages, servers, smtp
from tests.factories import PASSWORD

pytestmark = pytest.mark.slow("kills and restarts a server")


def sign_up(server: servers.Server, email: str) -> float:
    """Sign up as a person does; how many seconds the answer took."""
    with requests.Session() as browser:
        form = {"csrf_token": pages.csrf(browser.get(f"{server.url}/signup", timeout=60).text)}
        form |= {"name": "Alice", "email": email, "password": PASSWORD}
        began = time.perf_counter()
        answer = browser.post(f"{server.url}/signup", data=form, timeout=60)
        assert "Check your e-mail" in answer.text
        return time.perf_counter() - began


def kill(server: servers.Server) -> None:
    """`kill -9` of every process of the server at once."""
    main = server.process.pid
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    for pid in (main, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def test_a_letter_that_was_committed_before_kill_9_arrives_after_the_restart(instance, database):
    here, port = servers.free_port(), servers.free_port()
    through = {
        "LATCHKEY_DATABASE_URL": database,
        "LATCHKEY_MAIL_SERVER": "127.0.0.1",
        "LATCHKEY_MAIL_PORT": str(port),
    }
    with servers.latchkey(instance, port=here, **through) as server:
        sign_up(server, "alice@example.com")
        kill(server)

    with smtp.server(port) as postman, servers.latchkey(instance, port=here, **through) as server:
        servers.wait_until(lambda: postman.received, "the letter")
        [letter] = postman.received
        answer = requests.get(f"{server.url}{letter.link('/verify-email/')}", timeout=60)

    assert letter.to == "alice@example.com"
    assert server.url in letter.text
    assert answer.ok
    assert len(postman.received) == 1


def test_a_mail_server_that_stalls_holds_up_no_request(instance, database):
    with smtp.silent() as port:
        through = {"LATCHKEY_MAIL_SERVER": "127.0.0.1", "LATCHKEY_MAIL_PORT": str(port)}
        with servers.latchkey(instance, LATCHKEY_DATABASE_URL=database, **through) as server:
            slowest = max(sign_up(server, f"reader{number}@example.com") for number in range(6))

    # The worker waits for half a minute; a request that waited for the server would take as long.
    assert slowest < 20

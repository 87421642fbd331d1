"""A server that is told to stop while it reads for several calls together answers each of them, and ends."""

import base64
import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from latchkey.store.session import db, engines
from tests import factories, servers
from tests.flows.lines import lines

NAME = "stopped_while_reading"
ITS_OWN = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}'"
BEARER = b"GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
INTROSPECT = (
    b"POST /oauth/introspect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\ntoken=%s"
)
KNOWN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
OF_EACH = 4


def count(which=""):
    """How many connections the server has."""
    with engines().write.connect() as connection:
        return connection.execute(text(f"{ITS_OWN} {which}")).scalar_one()


def has_read(port):
    """Whether the server has taken whatever came: what it has not, it does not know of when it is told to stop."""
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    queues = [row[4].partition(":")[2] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return all(int(queue, 16) == 0 for queue in queues)


@pytest.mark.postgres
@pytest.mark.slow("starts a server")
@pytest.mark.standard("A-06")
def test_each_call_of_a_batch_is_answered_and_no_connection_is_left_behind(settings, alice, example_client):
    if engines().embedded:
        return
    token = factories.make_token(alice).plaintext.encode()
    pair = base64.b64encode(f"{example_client.client.id}:{example_client.secret}".encode())
    asked = [BEARER % (path, token) for path in (b"/v1/me", b"/v1/token", b"/oauth/check")]
    asked.append(INTROSPECT % (pair, len(b"token=" + token), token))
    db.remove()

    given = {"forked": True, "LATCHKEY_DATABASE_URL": f"{settings.database_url}&application_name={NAME}"}
    with servers.latchkey(settings.instance, **given) as server, lines(server, OF_EACH * len(asked)) as opened:
        port = int(server.url.rpartition(":")[2])
        for line in opened:
            line.send(KNOWN)
            assert line.answer()[0] == 200
        with engines().write.begin() as holding:
            holding.execute(text("LOCK TABLE token IN ACCESS EXCLUSIVE MODE"))
            for number, line in enumerate(opened):
                line.send(asked[number % len(asked)])
            servers.wait_until(lambda: count("AND wait_event_type = 'Lock'") and has_read(port), "the batch")
            assert server.answers()
            server.process.send_signal(signal.SIGTERM)
            servers.wait_until(lambda: not servers.listens(port), "the server to take no more calls")
        answers = [line.answer() for line in opened]
        server.process.wait(40)

        assert [status for status, _ in answers] == [200] * len(opened)
        introspected = [json.loads(body) for _, body in answers[len(asked) - 1 :: len(asked)]]
        assert [told["active"] for told in introspected] == [True] * OF_EACH
        assert server.process.poll() == 0
    servers.wait_until(lambda: not count(), "the server's connections to end")

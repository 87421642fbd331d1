"""A header that is no ASCII the server leaves out: none that counts is then taken for one that did not come."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from latchkey.tokens import Token
from tests import servers
from tests.factories import make_token

# As a proxy passes it on, which puts whoever asked behind what they sent.
HIDING = b"X-Forwarded-For: \xff, 203.0.113.7\r\n"
BODY = b'{"description": "By a thief", "scopes": ["account:read"]}'


def asked(server, head, body=b""):
    """Status and body of the answer to these bytes."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(head + b"Host: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]


@pytest.fixture
def behind_a_proxy(settings):
    more = {"LATCHKEY_DATABASE_URL": settings.database_url, "LATCHKEY_TRUSTED_PROXIES": "1"}
    with servers.latchkey(settings.instance, forked=True, **more) as server:
        yield server


def bearing(token):
    return b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n" % token.plaintext.encode()


@pytest.mark.standard("A-03")
@pytest.mark.slow("starts a server")
def test_nobody_hides_behind_the_proxy_by_a_byte_that_is_no_ascii(behind_a_proxy, alice, db):
    bearer = bearing(make_token(alice, scopes=["account:read", "tokens:write"]))
    db.commit()

    made = asked(behind_a_proxy, b"POST /v1/tokens HTTP/1.1\r\n" + bearer + HIDING, BODY)
    read = asked(behind_a_proxy, b"GET /v1/me HTTP/1.1\r\n" + bearer + HIDING)
    page = asked(behind_a_proxy, b"GET /login HTTP/1.1\r\n" + HIDING)
    gateway = asked(behind_a_proxy, b"GET /oauth/check HTTP/1.1\r\n" + bearer + HIDING)
    plain = asked(behind_a_proxy, b"POST /v1/tokens HTTP/1.1\r\n" + bearer + HIDING.replace(b"\xff", b"x"), BODY)

    assert [made[0], read[0], page[0], gateway[0], plain[0]] == [400, 400, 400, 403, 201]
    assert json.loads(made[1])["title"] == "We could not read that"
    db.rollback()
    assert [token.created_address for token in db.query(Token).filter_by(description="By a thief")] == ["203.0.113.7"]


def test_where_no_proxy_is_trusted_nobody_looks_at_it(live_server, alice, db):
    bearer = bearing(make_token(alice))
    db.commit()

    assert asked(live_server, b"GET /v1/me HTTP/1.1\r\n" + bearer + HIDING)[0] == 200


def test_a_key_that_cannot_be_read_is_refused_and_not_passed_over(live_server, alice, db):
    bearer = bearing(make_token(alice, scopes=["account:read", "tokens:write"]))
    db.commit()

    answer = asked(live_server, b"POST /v1/tokens HTTP/1.1\r\n" + bearer + "Idempotency-Key: né\r\n".encode(), BODY)

    assert answer[0] == 400
    assert json.loads(answer[1])["type"].endswith("bad-idempotency-key")

"""Requests that begin and do not go on keep nobody from working, and nothing waits for them for long."""

import contextlib
import select
import socket
import sys
import threading
import time

import pytest

from tests import factories, servers
from tests.flows.lines import Line, lines, slowest_of

pytestmark = [
    pytest.mark.slow("waits for deadlines of a server"),
    pytest.mark.either_database("about what comes over connections, before anything is asked of a database"),
]
HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
LOGIN = HEAD.replace(b"/oauth/token", b"/login")
QUICK = b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"


@pytest.fixture
def connect(server):
    """Open a connection and send this; it is closed in the end."""
    with contextlib.ExitStack() as opened:
        yield lambda *sent: opened.enter_context(contextlib.closing(Line(server, *sent)))


@pytest.mark.standard("A-06")
@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 100\r\n\r\ngrant",
        b"Content-Length: 60000\r\n\r\ngrant",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\ngrant\r\n",
    ],
    ids=["short", "long", "chunked"],
)
def test_two_hundred_half_sent_bodies_keep_nobody_from_working(server, alice, begun):
    token = factories.make_token(alice).plaintext.encode()

    with lines(server, 200, HEAD, begun):
        # A bound for machines that do other things as well: 5 ms were measured, and it was endless.
        assert slowest_of(server, QUICK % token) < 5.0
        assert slowest_of(server, b"GET /docs/oauth HTTP/1.1\r\nHost: localhost\r\n\r\n", 20) < 5.0


@pytest.mark.standard("A-06")
def test_half_open_connections_and_endless_uploads_beside_them(server, alice):
    token, over = factories.make_token(alice).plaintext.encode(), threading.Event()
    upload = b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

    def endless() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), contextlib.closing(Line(server, upload)) as line:
                while not over.is_set():
                    line.send(b"1000\r\n" + b"a" * 4096 + b"\r\n")

    uploads = [threading.Thread(target=endless) for _ in range(4)]
    with lines(server, 400, b"GET / HTTP/1.1\r\nHo"), lines(server, 100, HEAD, b"Content-Length: 100\r\n\r\ngrant"):
        for thread in uploads:
            thread.start()
        try:
            assert slowest_of(server, QUICK % token) < 5.0
        finally:
            over.set()
            for thread in uploads:
                thread.join()


@pytest.mark.standard("A-06")
def test_a_body_that_does_not_come_is_refused_within_ten_seconds_and_its_connection_ends(connect):
    started = time.monotonic()
    begun = [connect(HEAD, rest) for rest in (b"Content-Length: 100\r\n\r\n", b"Content-Length: 60000\r\n\r\nx")]
    begun.append(connect(HEAD, b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"))

    for line in begun:
        status, body = line.answer()
        assert (status, b"error_description" in body) == (408, True)
        assert line.ends()

    assert time.monotonic() - started < 25


def test_a_body_in_small_pieces_is_received_whole(connect, example_client):
    body = f"grant_type=client_credentials&client_id={example_client.client.id}&client_secret={example_client.secret}"
    for head, pieces in (
        (b"Content-Length: %d\r\n\r\n" % len(body), [body[:9].encode(), body[9:].encode()]),
        (b"Transfer-Encoding: chunked\r\n\r\n", [b"%x\r\n%s\r\n" % (len(body), body.encode()), b"0\r\n\r\n"]),
        (b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body), [body.encode()]),
    ):
        line = connect(HEAD, head)
        if b"Expect" in head:
            assert line.socket.recv(25).startswith(b"HTTP/1.1 100 ")
        for piece in pieces:
            time.sleep(0.05)
            line.send(piece)

        status, answer = line.answer()

        assert (status, b"access_token" in answer) == (200, True), answer


@pytest.mark.parametrize(
    "rest",
    [b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"Content-Length: 10\r\n\r\nabc"],
    ids=["chunked", "with a length"],
)
def test_a_body_that_breaks_off_is_not_read_as_a_whole_one(server, connect, rest):
    line = connect(HEAD, rest)
    line.socket.shutdown(socket.SHUT_WR)
    line.ends()

    servers.wait_until(lambda: '"status":400' in server.log.read_text(), "the line of the log")


@pytest.mark.parametrize("length", [3_000_000, 10_000_000_000])
def test_a_body_longer_than_any_is_refused_by_its_length(connect, length):
    line = connect(LOGIN, b"Content-Length: %d\r\n\r\n" % length, b"x" * 1000)

    assert line.answer()[0] == 413
    assert line.ends()


def test_a_chunked_body_longer_than_any_is_refused_when_it_is(server, connect):
    line = connect(LOGIN, b"Transfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(3 * 256):
            line.send(b"1000\r\n" + b"a" * 4096 + b"\r\n")

    servers.wait_until(lambda: '"status":413' in server.log.read_text(), "the line of the log")


def test_the_gateway_check_answers_whatever_body_is_announced(connect):
    line = connect(b"POST /oauth/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")

    assert line.answer()[0] == 401
    assert line.ends()


def test_a_body_that_nobody_reads_keeps_no_connection_open(server, connect):
    """The last answer of each thread kept its connection until its sender closed it, and a stop for half a minute."""
    opened = [
        connect(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\nxxx" % path)
        for path in (b"/login", b"/nowhere", b"/oauth/token", b"/oauth/check", b"/v1/me") * 3
    ]

    assert all(line.answer()[0] >= 400 and line.ends() for line in opened)


def test_head_answers_as_get_does_without_a_body(connect):
    line = connect(b"HEAD /v1/scopes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    got = b""
    while more := line.socket.recv(65536):
        got += more

    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-length: 0" not in head.lower()
    assert body == b""


@pytest.mark.parametrize("length", [100, 2_000_000, 3_000_000])
def test_a_server_that_is_told_to_stop_does_not_wait_for_half_sent_bodies(server, connect, length):
    """Nor for those that it refused by their length."""
    with lines(server, 4, HEAD, b"Content-Length: %d\r\n\r\ngrant" % length):
        time.sleep(0.3)
        started = time.monotonic()
        server.stop()

    # Two seconds when the machine is idle; it was thirty.
    assert time.monotonic() - started < 20
    assert server.process.poll() == 0


@pytest.mark.standard("A-06")
def test_a_body_in_thousands_of_tiny_parts_is_not_received_to_its_end(server, connect):
    """Each part costs a turn of the loop: two million bytes one by one took a core for nine seconds."""
    line = connect(LOGIN, b"Transfer-Encoding: chunked\r\n\r\n")
    line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        for _ in range(20_000):
            line.send(b"1\r\na\r\n")

    servers.wait_until(lambda: '"status":413' in server.log.read_text(), "the line of the log")


@pytest.mark.standard("A-06")
def test_who_says_nothing_or_reads_nothing_keeps_no_connection(connect):
    """Four thousand such connections were all that a worker takes, for as long as they liked."""
    silent = [connect(), connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\4\0\0\0\0\0")]
    kept = [connect(QUICK % b"nobody's")]
    unread = connect()
    unread.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(100):
            unread.socket.send((HEAD + b"\r\n") * 2000)
    gone = select.poll()
    gone.register(unread.socket, 0)

    assert all(line.ends() for line in silent + kept)
    if sys.platform == "linux":
        assert gone.poll(60_000), "it is still connected"

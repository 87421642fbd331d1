"""The guarded fetch: no address leads it into the house, and no answer holds it up or fills it."""

import contextlib
import http.server
import socket
import ssl
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from latchkey import settings as settings_module
from latchkey.fetching import NotFetched, fetch, guarded
from tests.flows import tls

KINDS = frozenset({"application/json"})
pytestmark = [pytest.mark.standard("J-09"), pytest.mark.either_database("asks the database nothing")]
# So many bytes drip in for fifty seconds; the limit, in tests half a second at most, is kept on a busy machine too.
LONG, SOON = 1_000, 20


def get(url, most=1_000):
    return fetch(url, most=most, kinds=KINDS)


@pytest.fixture
def named(monkeypatch):
    """Says where every name leads."""

    def lead(*addresses):
        found = [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, 443)) for address in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return lead


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "https://",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com/#x",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://exämple.com/",
        "https://[::1/",
        "https://example.com/" + "x" * 3_000,
    ],
)
def test_what_is_no_https_address_is_not_asked(url, settings):
    with pytest.raises(NotFetched):
        get(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001:0:a00:1::1",
        "fc00::1",
        "fe80::1%eth0",
        "ff02::1",
        "fec0::1",
    ],
)
def test_a_name_that_leads_into_the_house_is_not_asked(address, named, settings, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    named(address)
    with pytest.raises(NotFetched, match="public"):
        get("https://example.com/")

    named("93.184.216.34", address)
    with pytest.raises(NotFetched, match="public"):
        get("https://example.com/")


def test_the_very_address_that_was_looked_at_is_asked(named, settings, monkeypatch):
    """A name that leads elsewhere a moment later changes nothing."""
    asked = []

    def connect(address, timeout):
        asked.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    named("93.184.216.34")
    with pytest.raises(NotFetched):
        get("https://example.com:8443/")

    assert asked == [("93.184.216.34", 8443)]


def test_plain_http_is_for_this_machine_alone_and_while_developing(named, settings):
    named("93.184.216.34")
    with pytest.raises(NotFetched, match="public"):
        get("http://example.com/")
    named("127.0.0.1")
    settings_module.use(replace(settings, mode="production"))
    with pytest.raises(NotFetched, match="https"):
        get("http://localhost/")


@contextlib.contextmanager
def answering(write, pem=None, names=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):
                write(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if pem is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            context.sni_callback = lambda _socket, name, _context: names.append(name)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def respond(status=200, body=b"{}", **headers):
    def write(handler):
        handler.send_response(status)
        for name, value in ({"Content_Type": "application/json"} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


def test_an_answer_of_the_right_kind_is_taken(settings):
    with answering(respond(body=b'{"a": 1}')) as url:
        assert get(url) == b'{"a": 1}'


@pytest.mark.parametrize(
    "write",
    [
        respond(301, Location="https://example.com/"),
        respond(204),
        respond(404),
        respond(500),
        respond(Content_Type="text/html"),
        respond(Content_Encoding="gzip"),
        respond(body=b"x" * 1_001),
        respond(body=b"x" * 1_000_000, Content_Length="1000000"),
        lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"),
        lambda handler: handler.wfile.write(b""),
    ],
    ids=["redirect", "empty", "missing", "fault", "kind", "packed", "long", "announced", "no http", "nothing"],
)
def test_any_other_answer_is_not(write, settings):
    with answering(write) as url, pytest.raises(NotFetched):
        get(url)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_what_drips_is_cut_off_in_time(part, settings, monkeypatch):
    monkeypatch.setattr(guarded, "SECONDS", 0.5)

    def drip(handler):
        if part == "body":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        for _ in range(LONG):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    started = time.monotonic()
    with answering(drip) as url:
        with contextlib.suppress(NotFetched):
            assert len(get(url)) < LONG
        took = time.monotonic() - started

    assert took < SOON


def test_a_handshake_that_drips_is_cut_off_too(settings, monkeypatch):
    monkeypatch.setattr(guarded, "SECONDS", 0.5)
    monkeypatch.setattr(guarded, "_open_to_us", lambda *_: True)

    def drip(listener):
        accepted, _ = listener.accept()
        with accepted, contextlib.suppress(OSError):
            accepted.sendall(b"\x16\x03\x03\x40\x00")
            for _ in range(LONG):
                accepted.sendall(b"\x02")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=[listener], daemon=True).start()
        started = time.monotonic()
        with pytest.raises(NotFetched):
            get(f"https://127.0.0.1:{listener.getsockname()[1]}/")

    assert time.monotonic() - started < SOON


def test_a_name_that_nobody_answers_is_given_up_in_time(settings, monkeypatch):
    monkeypatch.setattr(guarded, "SECONDS", 0.2)
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: let_go.wait(60) or [])

    started = time.monotonic()
    with pytest.raises(NotFetched):
        get("https://example.com/")
    took = time.monotonic() - started
    let_go.set()

    assert took < SOON


@pytest.fixture
def https(tmp_path, monkeypatch, named):
    """A host at a public address, which leads here for this test, with a certificate that counts in it."""
    pem = tls.certificate(tmp_path, "app.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    told = SimpleNamespace(names=[], hosts=[], reached=[])

    def write(handler):
        told.hosts.append(handler.headers["Host"])
        respond(body=b'{"a": 1}')(handler)

    with answering(write, pem, told.names) as url:
        port = int(url.rpartition(":")[2].strip("/"))

        def connect(address, timeout):
            told.reached.append(address)
            there = socket.socket()
            there.settimeout(timeout)
            there.connect(("127.0.0.1", port))
            return there

        monkeypatch.setattr(socket, "create_connection", connect)
        named("93.184.216.34")
        yield told


def test_the_host_is_asked_by_its_name_at_the_address_that_was_looked_at(https, settings):
    assert get("https://app.example.com/client.json") == b'{"a": 1}'

    assert https.reached == [("93.184.216.34", 443)]
    assert https.names == https.hosts == ["app.example.com"]


def test_a_host_that_cannot_prove_its_name_is_told_nothing(https, settings):
    with pytest.raises(NotFetched, match="SSLCertVerificationError"):
        get("https://other.example.com/client.json")

    assert https.hosts == []

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from flask import Response, jsonify
from werkzeug.test import Client, create_environ

from latchkey import clock, origin
from tests import pages
from tests.factories import make_token
from web.layer import middleware, request_log

PATHS = ["/nowhere", "/v1/nowhere", "/oauth/token", "/brand.css", "/assets/x/latchkey.css", "/stage/fault"]


@pytest.fixture
def app(app):
    """With views that tell what they see, and one that breaks."""

    @app.get("/stage/origin/<name>")
    def tell_origin(name):
        return jsonify(origin.current.get()._asdict())

    @app.get("/stage/policy")
    def policy():
        return Response("", headers={"Content-Security-Policy": "default-src 'self'"})

    @app.get("/stage/fault")
    def fault():
        raise ValueError("a secret")

    @app.get("/stage/stream")
    def stream():
        return Response(part for part in ("one", "two"))

    return app


@pytest.fixture
def lines(app):
    written: list[str] = []
    app.wsgi_app.write = written.append
    return written


def read(lines):
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    return [json.loads(line) for line in lines]


@pytest.mark.standard("N-03", "N-04", "N-06")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_guarded(client, path):
    headers = client.get(path).headers

    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert re.search(r"charset=utf-8|json|woff2|png", headers["Content-Type"])


@pytest.mark.standard("A-10")
@pytest.mark.parametrize("path", ["/healthz", "/login", "/v1/me", "/nowhere"])
def test_no_answer_names_the_server_beneath(live_server, path):
    with socket.create_connection(("127.0.0.1", urlsplit(live_server.url).port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = connection.makefile("rb").read().lower().partition(b"\r\n\r\n")[0]

    assert [line for line in head.split(b"\r\n") if line.startswith(b"server:")] == [b"server: portal"]
    assert b"granian" not in head


@pytest.mark.standard("N-06")
@pytest.mark.settings(base_url="https://portal.example.com")
def test_an_https_installation_asks_for_https_for_a_year(client):
    assert client.get("/nowhere").headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_view_may_set_its_own_policy(client):
    assert client.get("/stage/policy").headers.getlist("Content-Security-Policy") == ["default-src 'self'"]


@pytest.mark.standard("P-03")
def test_request_ids_are_ours_and_differ(client):
    ids = {client.get("/nowhere", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] for _ in range(5)}

    assert len(ids) == 5
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


def test_verbs_learn_where_a_request_came_from(client):
    agent = "curl/8.14 \u00e9".encode().decode("latin-1") + "x" * 300

    answer = client.get("/stage/origin/x", headers={"User-Agent": agent})

    assert answer.json["address"] == "127.0.0.1"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.json["agent"].startswith("curl/8.14 é")
    assert len(answer.json["agent"]) <= 200


@pytest.mark.standard("P-03")
def test_what_a_program_calls_itself_cannot_break_a_line(client):
    answer = client.get("/stage/origin/x", environ_overrides={"HTTP_USER_AGENT": "a\r\nb\x1b[31m\x00c"})

    assert answer.json["agent"] == "ab[31mc"


def test_a_request_is_one_line_without_path_and_query(app, client, lines):
    client.get("/stage/origin/secret-name?token=secret", buffered=True)

    (line,) = read(lines)
    assert line["route"] == "/stage/origin/<name>"
    assert line["method"] == "GET"
    assert line["status"] == 200
    assert line["duration_ms"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert re.fullmatch("[0-9a-f]{16}", line["request_id"])
    assert "secret" not in lines[0]


def test_who_asked_is_in_the_line(app, client, lines, alice):
    token = make_token(alice)
    client.get("/v1/me", headers={"Authorization": f"Bearer {token.plaintext}"}, buffered=True)
    pages.sign_in(client, alice)
    client.get("/tokens", buffered=True)

    by_token, *_, signed_in = read(lines)
    who = (by_token["user"], by_token["token"], by_token["status"], by_token["route"])
    assert who == (alice.id, token.token.id, 200, "/v1/me")
    assert (signed_in["user"], signed_in["token"], signed_in["status"], signed_in["route"]) == (
        alice.id,
        "",
        200,
        "/tokens",
    )


def test_an_invented_method_is_not_written_down(client, lines):
    client.open("/nowhere", method='BAD","status":1', buffered=True)

    assert read(lines)[0]["method"] == "other"


def test_a_stream_is_logged_when_it_has_been_sent(client, lines):
    answer = client.get("/stage/stream")
    assert not lines

    assert answer.text == "onetwo"
    answer.close()
    assert len(lines) == 1


def test_a_request_for_the_headers_alone_is_logged_too(client, lines):
    client.head("/nowhere", buffered=True)

    assert read(lines)[0]["method"] == "HEAD"


def test_a_log_that_cannot_be_written_stops_nobody(client, monkeypatch, app):
    def refuse(_handle, _line):
        raise BrokenPipeError

    monkeypatch.setattr(request_log.os, "write", refuse)
    lines = request_log.Lines()
    app.wsgi_app.write = lines.add

    assert client.get("/brand.css").status_code == 200
    lines.end()
    assert client.get("/brand.css").status_code == 200


@pytest.mark.standard("A-03")
def test_a_forwarded_address_counts_for_nothing_by_default(client):
    answer = client.get("/stage/origin/x", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})

    assert answer.json["address"] == "127.0.0.1"


@pytest.mark.standard("A-03")
@pytest.mark.settings(trusted_proxies=1)
def test_a_trusted_proxy_says_who_asked_and_no_more_than_one_is_believed(client):
    answer = client.get("/stage/origin/x", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})

    assert answer.json["address"] == "203.0.113.9"


@pytest.mark.standard("A-03", "L-05")
@pytest.mark.settings(trusted_proxies=1)
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "forwarded, address",
    [
        ("203.0.113.5:40001", "203.0.113.5"),
        ('"[2001:db8::1]:40001"', "2001:db8::1"),
        ("198.51.100.1, [::ffff:203.0.113.5]:40001", "203.0.113.5"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", "127.0.0.1"),
        ("203.0.113.5, unknown", "127.0.0.1"),
        ("203.0.113.5,", "127.0.0.1"),
        ("x" * 9_000, "127.0.0.1"),
        ('198.51.100.1, ", 203.0.113.5', "203.0.113.5"),
    ],
)
def test_what_a_proxy_says_is_read_as_an_address_or_counts_as_the_proxys_own(client, forwarded, address):
    answer = client.get("/stage/origin/x", headers={"X-Forwarded-For": forwarded})

    assert answer.json["address"] == address


@pytest.mark.standard("A-03")
@pytest.mark.settings(trusted_proxies=2)
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "forwarded, address",
    [
        # The last two are what the proxies wrote; a quote that a stranger left open hides neither.
        ('198.51.100.9, ", 203.0.113.5, 192.0.2.1', "203.0.113.5"),
        ("198.51.100.9, 203.0.113.5:1, 192.0.2.1:2", "203.0.113.5"),
        ("203.0.113.5", "127.0.0.1"),
    ],
)
def test_what_a_stranger_sends_ahead_never_moves_the_place_that_is_believed(client, forwarded, address):
    answer = client.get("/stage/origin/x", headers={"X-Forwarded-For": forwarded})

    assert answer.json["address"] == address


@pytest.mark.settings(trusted_proxies=1)
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "said, scheme", [("https", "https"), ("http, https", "https"), ("gopher", "http"), ("", "http")]
)
def test_a_trusted_proxy_says_by_which_scheme(app, said, scheme):
    seen = []
    app.wsgi_app.app = lambda environ, start: seen.append(environ["wsgi.url_scheme"]) or Response()(environ, start)

    app.test_client().get("/", headers={"X-Forwarded-Proto": said})

    assert seen == [scheme]


@pytest.mark.standard("A-01")
@pytest.mark.settings(trusted_proxies=1)
def test_a_forwarded_host_is_never_believed(client):
    answer = client.get("/tokens", headers={"X-Forwarded-Host": "evil.example", "Host": "evil.example"})

    assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.standard("A-07")
@pytest.mark.parametrize(
    "path,kind", [("/", "text/html"), *((path, "application/problem+json") for path in ("/v1/me", "/mcp"))]
)
def test_an_address_of_many_kilobytes_is_refused(client, path, kind):
    answer = client.get(path + "?q=" + "x" * 20_000)

    assert answer.status_code == 414
    assert answer.content_type.startswith(kind)
    assert "x" * 20 not in answer.text


@pytest.mark.parametrize("path,kind", [("/", "text/html"), ("/v1/me", "application/problem+json")])
def test_a_fault_outside_the_application_has_an_answer(settings, path, kind, caplog):
    def broken(_environ, _start):
        raise RuntimeError("what somebody typed")

    answer = Client(middleware.Layer(broken, secure=False)).get(path + "?typed=this")

    assert answer.status_code == 500
    assert answer.content_type.startswith(kind)
    assert answer.headers["X-Request-Id"] in answer.text
    assert answer.headers["X-Request-Id"] in caplog.text
    assert "typed" not in answer.text


@pytest.mark.standard("H-11")
def test_a_fault_outside_the_application_is_a_no_for_gateways(settings, caplog):
    def broken(_environ, _start):
        raise RuntimeError

    answer = Client(middleware.Layer(broken, secure=False)).get("/oauth/check")

    assert (answer.status_code, answer.headers["Cache-Control"], answer.data) == (403, "no-store", b"")
    assert 'error="temporarily_unavailable"' in answer.headers["WWW-Authenticate"]
    assert answer.headers["X-Request-Id"] in caplog.text


def test_a_fault_after_the_headers_were_given_still_ends_in_500(settings):
    def broken(_environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        raise RuntimeError

    started = []
    answer = middleware.Layer(broken, secure=False)(create_environ("/"), lambda *given: started.append(given))

    assert b"Something broke" in b"".join(answer)
    # PEP 3333: a server that has sent nothing yet takes the second start when it is told of the exception.
    assert started[1][0].startswith("500")
    assert started[1][2][0] is RuntimeError


def ask(app, body):
    """The status of a form posted to the token endpoint, with this body."""
    environ = create_environ("/oauth/token", method="POST") | {
        "wsgi.input": body, "CONTENT_LENGTH": "4", "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "REMOTE_ADDR": "127.0.0.1",
    }  # fmt: skip
    started = []
    b"".join(app.wsgi_app(environ, lambda status, _headers, _error=None: started.append(status)))
    return started[-1]


class Stalled:
    """A body that is announced and does not come until it is let."""

    def __init__(self):
        self.asked, self.let = threading.Event(), threading.Event()

    def read(self, _length):
        self.asked.set()
        assert self.let.wait(60)
        return b"last"


def test_a_body_that_does_not_come_keeps_nobody_from_the_token_endpoint(app):
    stalled = Stalled()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, app, stalled)
        assert stalled.asked.wait(60)
        try:
            assert pool.submit(ask, app, BytesIO(b"soon")).result(timeout=60).startswith("400")
        finally:
            stalled.let.set()
        assert first.result(timeout=60).startswith("400")


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/v1/me", "/v1/tokens", "/oauth/introspect"])
def test_a_fault_in_answering_a_fault_of_a_call_is_told_plainly_and_logged(app, client, lines, monkeypatch, path):
    def broken(*_args, **_named):
        raise RuntimeError("what somebody typed")

    monkeypatch.setattr("latchkey.tokens.access.admit", broken)
    monkeypatch.setattr("latchkey.store.conflicts.again", broken)
    monkeypatch.setattr(app, "handle_user_exception", broken)

    answer = client.post(path) if path.startswith("/oauth") else client.get(path)

    assert answer.status_code == 500
    assert "typed" not in answer.text
    assert [line["status"] for line in read(lines)] == [500]


def test_times_in_the_log_are_the_real_ones(client, lines):
    before = clock.now()
    client.get("/nowhere", buffered=True)

    # They are as fine as a second or finer.
    assert before - timedelta(seconds=1) < datetime.fromisoformat(read(lines)[0]["time"]) <= clock.now()

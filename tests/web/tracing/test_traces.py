"""Traces: what a span says and never says, who may join one, and that nothing of it is there when they are off."""

import logging
import os
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from latchkey import watching
from latchkey.fetching import NotFetched, fetch, operators
from latchkey.mail import transport
from latchkey.settings import ROOT
from latchkey.watching import traces
from tests import pages, servers
from tests.factories import PASSWORD, make_token
from tests.web.layer.test_at_once import begin
from web.layer.middleware import Exchange
from web.tracing import provider as provider_module
from web.tracing import switch
from web.tracing.requests import Traced
from web.tracing.statements import Statements
from web.tracing.steps import Steps

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
JOINING = f"00-{TRACE}-{PARENT}-01"
ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}


@pytest.fixture
def app(app):
    @app.get("/stage/fault")
    def fault():
        raise ValueError("a secret")

    return app


@pytest.fixture
def client(app):
    """Lets go of each answer, with which its span ends."""
    client = app.test_client()
    client.open = partial(client.open, buffered=True)
    return client


@pytest.fixture
def spans(app, monkeypatch):
    """The application with traces on; gives what was told so far, the first first."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("latchkey")
    statements = Statements(tracer)
    monkeypatch.setattr(app.wsgi_app, "exchange", partial(Traced, tracer))
    monkeypatch.setattr(watching, "watchers", [Steps(tracer)])
    statements.listen()
    yield exporter.get_finished_spans
    for name, hear in statements._heard.items():
        event.remove(Engine, name, hear)


def requests(spans) -> list:
    return [span for span in spans() if span.kind is SpanKind.SERVER]


def test_a_page_is_a_span_by_its_rule(signed_in, spans):
    answer = signed_in.get(f"/tokens/tok_{'a' * 28}?q=private")

    (span,) = requests(spans)
    assert span.name == f"GET {span.attributes['http.route']}"
    assert span.attributes["http.route"].startswith("/tokens/<id:")
    assert span.attributes["http.request.method"] == "GET"
    assert span.attributes["http.response.status_code"] == answer.status_code == 404
    assert span.attributes["url.scheme"] == "http"
    assert span.attributes["latchkey.request_id"] == answer.headers["X-Request-Id"]
    assert span.status.status_code is StatusCode.UNSET
    assert len(span.attributes) == 5


@pytest.mark.parametrize("path", ["/v1/me", "/oauth/check"])
def test_a_call_of_a_program_is_a_span_wherever_it_is_answered(app, client, spans, alice, path):
    token = {"Authorization": f"Bearer {make_token(alice).plaintext}"}

    client.get(path, headers=token)
    begin(app, path, headers=token)

    assert [span.name for span in requests(spans)] == [f"GET {path}"] * 2
    assert {span.attributes["http.response.status_code"] for span in requests(spans)} == {200}


def test_what_leads_nowhere_and_what_is_invented_has_no_name_of_its_own(client, spans):
    client.get("/made-up/alice@example.com")
    client.open("/", method="VERB42")

    first, second = requests(spans)
    assert (first.name, second.attributes["http.request.method"]) == ("GET", "_OTHER")
    assert second.name.partition(" ")[0] == "HTTP"
    assert "http.route" not in first.attributes


def test_a_fault_is_an_error_of_which_no_words_are_told(client, spans):
    client.application.testing = False
    client.get("/stage/fault")

    (span,) = requests(spans)
    assert (span.attributes["error.type"], span.status.status_code) == ("500", StatusCode.ERROR)
    assert not span.events
    assert "a secret" not in span.to_json()


@pytest.mark.standard("P-01")
def test_nothing_of_a_person_and_no_secret_is_in_any_span(app, client, spans, alice, mailbox):
    token = make_token(alice)
    pages.submit(client, "/forgot-password", email=alice.email)
    pages.sign_in(client, alice)
    client.get(f"/tokens/{token.token.id}?q=looked-for")
    client.get("/v1/me", headers={"Authorization": f"Bearer {token.plaintext}"})
    client.get("/v1/me?access_token=in-the-query", headers={"User-Agent": "Named/1", "X-Forwarded-For": "203.0.113.9"})
    mailbox.letters()
    cookies = [cookie.value for cookie in client._cookies.values()]

    told = "\n".join(span.to_json() for span in spans())

    secret = [
        *cookies,
        PASSWORD,
        "alice",
        alice.id,
        token.plaintext,
        "looked-for",
        "in-the-query",
        "Named/1",
        "203.0.113.9",
    ]
    assert cookies
    assert "deliver letter" in told
    assert not [word for word in secret if word in told]


@pytest.mark.standard("A-03")
def test_a_stranger_joins_no_trace(client, spans):
    client.get("/healthz", headers={"traceparent": JOINING})

    (span,) = requests(spans)
    assert span.parent is None
    assert span.context.trace_id != int(TRACE, 16)


@pytest.mark.settings(trusted_proxies=1)
def test_a_request_is_part_of_the_trace_that_a_trusted_proxy_names_and_of_nobodys_words(client, spans):
    client.get("/healthz", headers={"traceparent": JOINING, "tracestate": "vendor=words-of-anybody"})

    (span,) = requests(spans)
    assert (span.context.trace_id, span.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))
    assert "words-of-anybody" not in span.to_json()


@pytest.mark.settings(trusted_proxies=1)
@pytest.mark.parametrize(
    "said",
    ["", "nonsense", "00-" + "0" * 32 + f"-{PARENT}-01", f"{JOINING},{JOINING}", f"{JOINING}-{'x' * 9000}", "é" * 55],
)
def test_what_is_no_parent_begins_a_trace_of_its_own(client, spans, said):
    answer = client.get("/healthz", headers={"traceparent": said})

    (span,) = requests(spans)
    assert (answer.status_code, span.parent) == (200, None)


def test_statements_are_told_under_their_request_by_text_alone(client, spans, alice):
    pages.sign_in(client, alice)

    ids = {span.context.span_id for span in requests(spans)}
    statements = [span for span in spans() if "db.query.text" in span.attributes]
    assert {span.parent.span_id for span in statements} <= ids
    assert "SELECT" in {span.name for span in statements}
    assert not [span for span in statements if "alice" in span.attributes["db.query.text"]]


def test_a_statement_that_fails_is_an_error_and_what_the_process_asks_by_itself_is_nobodys(app, db, spans):
    with pytest.raises(DBAPIError):
        db.execute(text("SELECT nothing_like_it"))
    assert not spans()
    db.rollback()

    with pytest.raises(DBAPIError), watching.step("GET", {}):
        db.execute(text("SELECT nothing_like_it"))

    statement, step = spans()
    assert statement.status.status_code is step.status.status_code is StatusCode.ERROR
    assert statement.parent.span_id == step.context.span_id
    assert not statement.events


@pytest.mark.parametrize("fails", [False, True])
def test_a_letter_on_its_way_is_told_by_its_kind(client, spans, alice, mailbox, monkeypatch, *, fails):
    def refuse(*_given):
        raise OSError("alice@example.com is not here")

    if fails:
        monkeypatch.setattr(transport, "carry", refuse)
    pages.submit(client, "/forgot-password", email=alice.email)
    mailbox.letters()

    (span,) = [span for span in spans() if span.name == "deliver letter"]
    assert "latchkey.letter" in span.attributes
    assert span.attributes.get("error.type") == ("OSError" if fails else None)
    assert "alice" not in span.to_json()


def test_an_address_that_is_asked_is_told_by_its_host(settings, spans):
    nobody = servers.free_port()
    with pytest.raises(NotFetched):
        fetch(f"http://127.0.0.1:{nobody}/private?key=secret", most=10, kinds=frozenset())
    with pytest.raises(NotFetched):
        operators.post(
            f"http://127.0.0.1:{nobody}/private?key=secret", "code=secret", most=10, until=time.monotonic() + 5
        )

    assert [span.name for span in spans()] == ["GET", "POST"]
    for span in spans():
        assert span.attributes["server.address"] == "127.0.0.1"
        assert span.attributes["error.type"] == "NotFetched"
        assert "secret" not in span.to_json()
        assert "private" not in span.to_json()


@pytest.mark.parametrize(
    "environ, said",
    [
        ({}, "off: OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        (ON, "on, sent to collector.example:4318"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://u:secret@c.example/x?k=secret"}, "on, sent to c.example"),
        (ON | {"OTEL_SDK_DISABLED": "True"}, "off: OTEL_SDK_DISABLED is true"),
        (ON | {"OTEL_TRACES_EXPORTER": "none"}, "off: OTEL_TRACES_EXPORTER is 'none', not otlp"),
        (ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "warning: off, since OTLP is spoken as http/protobuf only"),
        (ON | {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:secret"}, "warning: off, since the endpoint of OTLP is no"),
        (ON | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:secret"}, "warning: off, since the endpoint of OTLP is no"),
    ],
)
def test_whether_they_are_on_is_said_without_a_secret(environ, said):
    found = traces.standing(environ)

    assert found.said.startswith(said)
    assert found.on is said.startswith("on")
    assert "secret" not in found.said


def test_without_the_extra_they_are_off(monkeypatch):
    monkeypatch.setattr(traces, "PACKAGE", "no-such-package-of-anybody")

    found = traces.standing(ON)

    assert (found.on, "is not installed" in found.said) == (False, True)


def test_a_wrong_setting_of_theirs_stops_no_server(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")

    assert switch.begin() is Exchange
    assert "traces are off" in caplog.text


class Stuck(SpanExporter):
    """A collector that takes and never answers."""

    def __init__(self):
        self.free, self.answered = threading.Event(), False

    def export(self, spans):
        self.free.wait(60)
        self.answered = True
        return SpanExportResult.SUCCESS


def test_a_collector_that_never_answers_holds_up_no_request_and_no_end(monkeypatch):
    monkeypatch.setattr(provider_module, "STOP_SECONDS", 0.05)
    stuck, provider = Stuck(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(stuck))
    tracer = provider.get_tracer("latchkey")

    for _ in range(5_000):
        tracer.start_span("GET").end()
    provider_module.end(provider)

    assert not stuck.answered
    stuck.free.set()


@pytest.mark.standard("P-01")
def test_spans_that_are_lost_are_told_now_and_then_without_the_collectors_address(caplog):
    hushed = provider_module.Hushed()
    said = {"name": "opentelemetry.exporter", "msg": "Max retries exceeded with url: /v1/traces?key=secret"}

    for _ in range(3):
        hushed.handle(logging.makeLogRecord(said))

    assert [record.getMessage() for record in caplog.records] == [
        "traces: spans are late or lost (opentelemetry.exporter)"
    ]


@pytest.mark.slow("starts a process, since what is loaded in this one says nothing")
def test_nothing_of_it_is_loaded_when_they_are_off(tmp_path):
    asked = (
        # As where the extra is not installed.
        "import sys; sys.modules['opentelemetry'] = None; import app; made = app.create_app(background=True);"
        "from web.layer.middleware import Exchange; assert made.wsgi_app.exchange is Exchange;"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.', 'web.tracing'))])"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LATCHKEY_", "OTEL_"))}
    given = {"LATCHKEY_INSTANCE": str(tmp_path), "LATCHKEY_MODE": "development"}

    done = subprocess.run(
        [sys.executable, "-c", asked], env=kept | given, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['web.tracing', 'web.tracing.switch']"


@pytest.fixture
def collector():
    """One that takes OTLP over HTTP: its address, and what it was sent."""
    taken = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_given):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()


def words(attributes) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes}


@pytest.mark.slow("starts a server of its own and stops it, whose last spans are what is looked at")
def test_a_server_sends_what_its_workers_did_until_their_end(settings, collector):
    address, taken = collector
    given = {"LATCHKEY_DATABASE_URL": settings.database_url, "OTEL_EXPORTER_OTLP_ENDPOINT": address}

    with (
        servers.latchkey(settings.instance, forked=True, workers=2, **given) as server,
        urllib.request.urlopen(f"{server.url}/login") as answer,
    ):
        request_id = answer.headers["X-Request-Id"]

    sent = [resource for _, request in taken for resource in request.resource_spans]
    spans = [span for resource in sent for scope in resource.scope_spans for span in scope.spans]
    found = {words(span.attributes).get("latchkey.request_id"): span.name for span in spans}
    assert {path for path, _ in taken} == {"/v1/traces"}
    assert {words(resource.resource.attributes)["service.name"] for resource in sent} == {"latchkey"}
    assert found[request_id] == "GET /login"

"""What Prometheus reads at `/metrics`: counts and times of all workers, added up, and how the installation stands.

There only with LATCHKEY_METRICS_TOKEN. Labels are routes as they are written in the code, numbers of statuses and words
of ours, so that nobody can make more of them by what they send.
"""

import hmac
import os
from collections.abc import Callable, Iterable, Iterator

from flask import Flask, Response, abort, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from latchkey import settings
from latchkey.oversight import gauges
from latchkey.store import queue
from latchkey.tokens.imported import shadow

PATH = "/metrics"
CONTENT = "text/plain; version=0.0.4; charset=utf-8"
# Where the workers of one server keep what is added up; `latchkey serve` makes it before they start.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Routes that hand out tokens, and of which kind.
ISSUING = {"/oauth/token": "oauth", "/v1/tokens": "developer", "/tokens/new": "developer"}
ISSUED = {("/oauth/token", 200), ("/v1/tokens", 201), ("/tokens/new", 201)}

Observe = Callable[[str, str, float], None]


class Metrics:
    """The counters of one process, which others read through the folder."""

    def __init__(self) -> None:
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call] # the library leaves it so
        self.registry = CollectorRegistry()
        self.requests = Counter("latchkey_requests", "Answered requests.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "latchkey_request_seconds", "How long they took.", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.refused = Counter("latchkey_refusals", "Refused requests, by kind.", ["kind"], registry=self.registry)
        self.tokens = Counter("latchkey_tokens_issued", "Tokens handed out.", ["kind"], registry=self.registry)
        self.shadow = Counter(
            "latchkey_shadow", "What the old key check said beside ours.", ["outcome"], registry=self.registry
        )
        self.queue = Histogram(
            "latchkey_write_queue_seconds",
            "How long writers of the embedded database waited for each other.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.pool = Histogram(
            "latchkey_pool_wait_seconds",
            "How long threads waited for a connection to the database, where none was free.",
            buckets=BUCKETS,
            registry=self.registry,
        )

    def observe(self, route: str, status: str, seconds: float) -> None:
        """Count an answered request."""
        name = route or "none"
        self.requests.labels(name, status).inc()
        self.seconds.labels(name).observe(seconds)
        if kind := REFUSALS.get(status):
            self.refused.labels(kind).inc()
        if status.isdecimal() and (route, int(status)) in ISSUED:
            self.tokens.labels(ISSUING[route]).inc()

    def compared(self, outcome: str) -> None:
        """Count what the old key check said."""
        self.shadow.labels(outcome).inc()

    def text(self) -> bytes:
        """All processes of this server together."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call] # the library leaves it so
        return generate_latest(together)


REFUSALS = {
    "400": "malformed",
    "401": "unauthenticated",
    "403": "forbidden",
    "413": "too_large",
    "422": "invalid",
    "429": "too_often",
    "503": "unavailable",
}


class Standing(Collector):
    """How the installation stands, asked of the database when somebody reads it."""

    def collect(self) -> Iterable[Metric]:
        """A gauge for each figure; one that says whether the database answers."""
        try:
            found = list(gauges.read())
        except SQLAlchemyError:
            yield GaugeMetricFamily("latchkey_database_up", "Whether the database answers.", value=0)
            return
        yield GaugeMetricFamily("latchkey_database_up", "Whether the database answers.", value=1)
        yield from self._families(found)

    @staticmethod
    def _families(found: Iterable[gauges.Gauge]) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in found:
            labels = ["kind"] if gauge.kind else []
            family = families.setdefault(gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=labels))
            family.add_metric([gauge.kind] if gauge.kind else [], gauge.value)
        return iter(families.values())


def _allowed(expected: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected.encode())
    return right and scheme.lower() == "bearer"


def register(app: Flask, *, background: bool) -> Observe | None:
    """Serve `/metrics`, where it has a token; what counts an answered request, if anything does."""
    expected = settings.current().metrics_token
    metrics = Metrics() if expected else None
    standing = CollectorRegistry()
    standing.register(Standing())

    @app.get(PATH, endpoint="metrics")
    def show_metrics() -> Response:
        if metrics is None or expected is None:
            abort(404)
        if not _allowed(expected):
            return Response("the token is missing or wrong\n", 401, headers={"WWW-Authenticate": "Bearer"})
        text = metrics.text() + generate_latest(standing)
        return Response(text, content_type=CONTENT, headers={"Cache-Control": "no-store"})

    if metrics is None:
        return None
    if background:
        shadow.watchers.append(metrics.compared)
        queue.watchers.append(metrics.queue.observe)
        queue.pool_watchers.append(metrics.pool.observe)
    return metrics.observe

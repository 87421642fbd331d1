"""Where spans go: kept in a bounded queue, and sent in a thread of their own by the settings of OpenTelemetry.

Nobody waits for whoever takes them: what the queue cannot hold is dropped, and at the end of the process the last ones
get a few seconds.
"""

import logging
import threading
import time
from functools import partial
from multiprocessing.util import Finalize

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from latchkey import watching
from web.layer.middleware import Exchange, MakeExchange
from web.tracing.requests import Traced
from web.tracing.statements import Statements
from web.tracing.steps import Steps

log = logging.getLogger("latchkey.web")

STOP_SECONDS = 3.0
# How often it is said that spans are lost.
AGAIN_SECONDS = 60.0


class Hushed(logging.Handler):
    """Says for the libraries that spans are lost: their words hold the whole address of the collector."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Once in a while."""
        now = time.monotonic()
        if now - self._last >= AGAIN_SECONDS:
            self._last = now
            log.warning("traces: spans are late or lost (%s)", record.name)


def begin() -> MakeExchange:
    """Start to send, and watch everything."""
    try:
        provider = _provider()
    except ValueError as error:
        log.warning("traces are off, since a setting of OpenTelemetry is wrong: %s", type(error).__name__)
        return Exchange
    theirs = logging.getLogger("opentelemetry")
    theirs.handlers[:], theirs.propagate = [Hushed()], False
    # After the worker's own, whose last letters are spans too: higher priorities go first.
    Finalize(None, partial(end, provider), exitpriority=1)
    return watch(provider)


def _provider() -> TracerProvider:
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "latchkey"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def watch(provider: TracerProvider) -> MakeExchange:
    """Have statements, steps and exchanges told as its spans."""
    tracer = provider.get_tracer("latchkey")
    watching.watchers[:] = [Steps(tracer)]
    Statements(tracer).listen()
    return partial(Traced, tracer)


def end(provider: TracerProvider) -> None:
    """Send the last ones, as far as a few seconds allow: a collector that is away ends nothing later."""
    last = threading.Thread(target=provider.shutdown, name="traces-end", daemon=True)
    last.start()
    last.join(STOP_SECONDS)

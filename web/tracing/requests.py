"""One span a request, around the whole layer: by method and rule, with what the log line says and nobody's id."""

from wsgiref.types import StartResponse, WSGIEnvironment

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from web.layer.middleware import Exchange, Layer
from web.layer.request_log import METHODS

PARENT = TraceContextTextMapPropagator()
# Of version 00 it has 55; a later one may add to that.
LONGEST_PARENT = 200
NOWHERE = Context()


def _parent(environ: WSGIEnvironment, trusted: int) -> Context:
    """What the trusted proxies say this is part of. A stranger joins no trace, and chooses none to be recorded.

    `tracestate` is left out: anybody's words may be in it.
    """
    said = environ.get("HTTP_TRACEPARENT", "") if trusted else ""
    return PARENT.extract({"traceparent": said}, NOWHERE) if 0 < len(said) <= LONGEST_PARENT else NOWHERE


class Traced(Exchange):
    """An exchange that is a span, too."""

    __slots__ = ("_method", "_span")

    def __init__(
        self, tracer: Tracer, layer: Layer, environ: WSGIEnvironment, start: StartResponse, refused: str = ""
    ) -> None:
        super().__init__(layer, environ, start, refused)
        method = environ["REQUEST_METHOD"]
        known = method in METHODS
        self._method = method if known else "HTTP"
        said = {
            "http.request.method": method if known else "_OTHER",
            # After the proxies were asked.
            "url.scheme": environ["wsgi.url_scheme"],
            "latchkey.request_id": self.request_id,
        }
        parent = _parent(environ, layer.trusted)
        self._span = tracer.start_span(self._method, parent, SpanKind.SERVER, said)

    def _be_current(self) -> None:
        super()._be_current()
        context.attach(set_span_in_context(self._span, NOWHERE))

    def _log(self) -> None:
        try:
            super()._log()
        finally:
            self._end()

    def _end(self) -> None:
        span, status = self._span, int(self._status)
        if self.route:
            span.update_name(f"{self._method} {self.route}")
            span.set_attribute("http.route", self.route)
        if status:
            span.set_attribute("http.response.status_code", status)
        if status >= 500 or not status:
            span.set_attribute("error.type", self._status)
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        # The thread does something else next.
        context.attach(NOWHERE)

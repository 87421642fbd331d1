"""Spans of what waits for other machines: letters on their way, addresses that are asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from latchkey.watching import Facts


class Steps:
    """Makes one of each step; of a fault its kind is told, since messages may hold what people sent."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def __call__(self, name: str, facts: Facts) -> Iterator[None]:
        """A span as long as the step."""
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=facts, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

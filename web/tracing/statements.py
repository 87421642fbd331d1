"""Spans of SQL statements by their text, which has places for what is looked for and never the things themselves.

Those of requests and steps alone: what the threads of a process ask every second would hide everything else. Statements
that go around SQLAlchemy, as the bearer lookup's, have none.
"""

import time
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from sqlalchemy import Engine, ExceptionContext, event

LONGEST = 2_000
BEGUN = "latchkey_begun"


class Statements:
    """Listens to every engine of this process."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._heard: dict[str, Callable[..., None]] = {
            "before_cursor_execute": self._before, "after_cursor_execute": self._after, "handle_error": self._failed,
        }  # fmt: skip

    def listen(self) -> None:
        """From now on."""
        for name, hear in self._heard.items():
            event.listen(Engine, name, hear)

    def _before(self, _connection: Any, _cursor: Any, _text: str, _given: Any, found: Any, _many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's
        if found is not None and get_current_span().is_recording():
            setattr(found, BEGUN, time.time_ns())

    def _after(self, connection: Any, _cursor: Any, text: str, _given: Any, found: Any, _many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's
        self._tell(connection.dialect.name, text, found, None)

    def _failed(self, failure: ExceptionContext) -> None:
        self._tell(failure.dialect.name, failure.statement or "", failure.execution_context, failure.original_exception)

    def _tell(self, system: str, text: str, found: Any, error: BaseException | None) -> None:
        begun = getattr(found, BEGUN, None)
        if begun is None:
            return
        verb = text.split(None, 1)[0].upper() if text.strip() else "SQL"
        said = {"db.system.name": system, "db.operation.name": verb, "db.query.text": text[:LONGEST]}
        span = self._tracer.start_span(verb, kind=SpanKind.CLIENT, attributes=said, start_time=begun)
        if error is not None:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
        span.end()

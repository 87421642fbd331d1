"""What the log line of the request at hand will say; whoever finds something out writes it there."""

from contextvars import ContextVar


class LogLine:
    """One request as the log tells of it: its rule, and by which token or for which user it came."""

    __slots__ = ("request_id", "route", "token_id", "user_id")

    def __init__(self, request_id: str = "") -> None:
        self.request_id, self.route = request_id, ""
        self.token_id: str | None = None
        self.user_id: str | None = None


_current: ContextVar[LogLine] = ContextVar("log_line")
begin = _current.set


def current() -> LogLine:
    """The line of this request; outside of any it is one that nobody writes."""
    return _current.get(None) or LogLine()

"""The log: one line of JSON a request, put together by hand, since the bearer path writes one too; and one a fault."""

import json
import logging
import os
import threading
import time

from web.layer import faults
from web.log_line import LogLine

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def to_stderr(line: bytes) -> None:
    """Write a log line whole; a log that is gone stops nobody."""
    try:
        os.write(2, line)
    except OSError:
        return


class _Clock:
    """The second of the day as text, formatted once a second."""

    def __init__(self) -> None:
        self._kept = (0, "")

    def text(self) -> str:
        now = time.time()
        second, kept = self._kept
        if int(now) != second:
            second, kept = self._kept = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{kept}.{int(now * 1000) % 1000:03d}Z"


_clock = _Clock()


def text(line: LogLine, method: str, status: str, seconds: float) -> bytes:
    """The text of a line, of a request that took so long."""
    return (
        f'{{"time":"{_clock.text()}","request_id":"{line.request_id}",'
        f'"method":"{method if method in METHODS else "other"}","route":"{line.route}","status":{status},'
        f'"duration_ms":{seconds * 1000:.2f},"user":"{line.user_id or ""}",'
        f'"token":"{line.token_id or ""}"}}\n'
    ).encode()


class OneLine(logging.Formatter):
    """A record as one line of JSON, a traceback inside it."""

    def format(self, record: logging.LogRecord) -> str:
        """What is JSON already stays so."""
        message = record.getMessage()
        if message.startswith('{"level"'):
            return message
        told = {"time": _clock.text(), "level": record.levelname.lower(), "logger": record.name, "message": message}
        error = record.exc_info[1] if record.exc_info else None
        return json.dumps(told if error is None else told | {"fault": faults.describe(error)})


def take_over() -> None:
    """Let whatever this process logs be such lines on stderr, and the end of a thread one of them."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(OneLine())
    logging.getLogger().handlers[:] = [handler]
    threading.excepthook = _thread_ended


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    name = told.thread.name if told.thread else "?"
    logging.getLogger("latchkey.web").critical("a thread ended: %s", name, exc_info=told.exc_value)

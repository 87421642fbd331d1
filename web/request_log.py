"""The log: one line of JSON a request, put together by hand, since the bearer path writes one too."""

import os
import time
from wsgiref.types import WSGIEnvironment

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


def line(environ: WSGIEnvironment, route: str, status: str, started: float) -> bytes:
    """The line of a request that began at `started`, by the performance counter."""
    method = environ["REQUEST_METHOD"]
    duration = (time.perf_counter() - started) * 1000
    return (
        f'{{"time":"{_clock.text()}","request_id":"{environ["latchkey.request_id"]}",'
        f'"method":"{method if method in METHODS else "other"}","route":"{route}","status":{status},'
        f'"duration_ms":{duration:.2f},"user":"{environ.get("latchkey.user") or ""}",'
        f'"token":"{environ.get("latchkey.token") or ""}"}}\n'
    ).encode()

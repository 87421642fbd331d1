"""The log: one line of JSON a request, put together by hand, since the bearer path writes one too; and one a fault."""

import contextlib
import json
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.util import Finalize
from select import PIPE_BUF

from web.layer import faults
from web.log_line import LogLine

TOGETHER_SECONDS = 0.1
MOST_WAITING = 10_000
# So long a log that is full is waited for; then what was to be written is lost.
FULL_SECONDS = 1.0
# So long a process that ends waits until what is left is written.
END_SECONDS = 5.0
NEW_LINE = ord("\n")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Lines:
    """Lines on their way to stderr: whole and in their order, those of a moment together.

    A write for each would cost as much as finding a token. Whoever logs a fault has them written first; a `kill -9`
    loses those of the last tenth of a second.
    """

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._thread: threading.Thread | None = None
        self._torn = self._full = False
        # A signal may come, and say something, in the middle of a write.
        self._due, self._ended, self._turn = threading.Event(), threading.Event(), threading.RLock()

    def begin(self) -> None:
        """Write by a thread from here on, until this process ends."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()
        # A process that multiprocessing started, such as a worker of the server, runs no atexit functions.
        Finalize(None, self.end, exitpriority=0)

    def add(self, line: str) -> None:
        """Have it written soon. Where nobody takes them, whoever has one more waits, as for any log."""
        self._waiting.append(line)
        if self._ended.is_set() or len(self._waiting) > MOST_WAITING:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        """Write what waits."""
        with self._turn:
            while self._waiting:
                self._write("".join(self._some()).encode())

    def end(self) -> None:
        """Write what waits, and whatever comes yet at once. Where nobody takes it, the process ends all the same."""
        self._ended.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)
        if self._thread is None or not self._thread.is_alive():
            self.flush()

    def _work(self) -> None:
        while not self._ended.is_set():
            self._due.wait()
            self._ended.wait(TOGETHER_SECONDS)
            self._due.clear()
            self.flush()

    def _some(self) -> Iterator[str]:
        """The next ones, as many as a pipe takes without another process's in between."""
        size = 0
        while self._waiting and (not size or size + len(self._waiting[0]) <= PIPE_BUF):
            size += len(self._waiting[0])
            yield self._waiting.popleft()

    def say(self, line: str) -> None:
        """Write a line at once, behind those that wait, which came before it."""
        with self._turn:
            self.flush()
            self._write(line.encode(errors="backslashreplace"))

    def _write(self, text: bytes) -> None:
        """A log that is gone, or full, stops nobody; what it took half of a line ends before the next begins."""
        text = b"\n" * self._torn + text
        with contextlib.suppress(OSError):
            while text:
                taken = self._taken(text)
                self._torn, text = text[taken - 1] != NEW_LINE, text[taken:]

    def _taken(self, text: bytes) -> int:
        """How much of it the log takes. Raises `BlockingIOError` where it takes nothing for long."""
        until = time.monotonic() + FULL_SECONDS
        while True:
            try:
                taken = os.write(2, text)
            except BlockingIOError:
                # It is one that does not wait by itself, as whoever shares it may have made it.
                left = until - time.monotonic()
                if self._full or left <= 0:
                    # Whoever comes next does not wait as long once more.
                    self._full = True
                    raise
                poll = select.poll()
                poll.register(2, select.POLLOUT)
                poll.poll(1_000 * left)
            else:
                self._full = False
                return taken


lines = Lines()


class _Clock:
    """The moment as text, formatted once a millisecond: a busy process writes several lines in one."""

    def __init__(self) -> None:
        self._kept = (0, "", "")

    def text(self) -> str:
        moment = int(time.time() * 1000)
        kept, second, text = self._kept
        if moment != kept:
            if moment // 1000 != kept // 1000:
                second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 1000))
            text = f"{second}.{moment % 1000:03d}Z"
            # One assignment, so that no other thread sees half of it.
            self._kept = moment, second, text
        return text


_clock = _Clock()


def text(line: LogLine, method: str, status: str, seconds: float) -> str:
    """The text of a line, of a request that took so long."""
    return (
        f'{{"time":"{_clock.text()}","request_id":"{line.request_id}",'
        f'"method":"{method if method in METHODS else "other"}","route":"{line.route}","status":{status},'
        f'"duration_ms":{seconds * 1000:.2f},"user":"{line.user_id or ""}",'
        f'"token":"{line.token_id or ""}"}}\n'
    )


class Handler(logging.Handler):
    """Writes a record at once, as the lines of requests are."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it after the lines that wait, which came before it."""
        try:
            lines.say(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers: what cannot be told stops nobody
            self.handleError(record)


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
    handler = Handler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(OneLine())
    logging.getLogger().handlers[:] = [handler]
    threading.excepthook = _thread_ended


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    name = told.thread.name if told.thread else "?"
    logging.getLogger("latchkey.web").critical("a thread ended: %s", name, exc_info=told.exc_value)

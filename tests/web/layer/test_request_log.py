"""Whatever a server logs is one line of JSON."""

import errno
import json
import os
import subprocess
import sys

import pytest

from web.layer import request_log
from web.log_line import LogLine

PROGRAM = """
import json, logging, sys, threading
from latchkey import settings
from web.layer import request_log
settings.use(settings.load({}, instance=sys.argv[1], mode="development"))
request_log.take_over()
try:
    [].pop()
except IndexError:
    logging.getLogger("latchkey.worker.tasks").exception("background work failed: %s", "usage")
thread = threading.Thread(target=lambda: {}["what"], name="doomed")
thread.start()
thread.join()
logging.getLogger("latchkey.web").error("%s", json.dumps({"level": "error", "request_id": "r"}))
logging.getLogger("anything").info("nobody needs this")
"""


def test_faults_are_one_line_each_with_the_traceback_inside(instance):
    # In a process of its own: a test run has handlers of its own.
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(instance)], capture_output=True, text=True, check=True)

    failed, doomed, known = (json.loads(line) for line in run.stderr.splitlines())

    assert (failed["level"], failed["message"]) == ("error", "background work failed: usage")
    assert failed["fault"][0] == "builtins.IndexError: pop from empty list"
    assert "[].pop()" in failed["fault"][1] or "line 8" in failed["fault"][1]
    assert (doomed["level"], doomed["message"]) == ("critical", "a thread ended: doomed")
    assert known == {"level": "error", "request_id": "r"}


ENDING = """
import logging, multiprocessing, sys
from web.layer import request_log

def served():
    request_log.take_over()
    request_log.lines.begin()
    for number in range(3):
        request_log.lines.add(f'"{sys.argv[1]} {number}"\\n')

if sys.argv[1] == "worker":
    worker = multiprocessing.get_context("fork").Process(target=served)
    worker.start()
    worker.join()
else:
    served()
    logging.getLogger("anything").warning("a fault")
    request_log.lines.add('"after it"\\n')
"""


@pytest.mark.parametrize("process", ["worker", "alone"])
def test_the_lines_of_the_last_moment_are_written_when_a_process_ends_and_faults_at_once(process):
    run = subprocess.run([sys.executable, "-c", ENDING, process], capture_output=True, text=True, check=True)

    told = [line if isinstance(line, str) else line["message"] for line in map(json.loads, run.stderr.splitlines())]
    assert told == [f"{process} {number}" for number in range(3)] + ["a fault", "after it"] * (process == "alone")


@pytest.fixture
def written(monkeypatch):
    """What is written, a piece for each call of the system."""
    pieces: list[bytes] = []

    def write(handle: int, text: bytes) -> int:
        assert handle == 2
        pieces.append(text)
        return len(text)

    monkeypatch.setattr(request_log.os, "write", write)
    return pieces


def test_lines_are_written_together_and_in_their_order_but_no_line_in_two_pieces(written):
    lines, sent = request_log.Lines(), [f"{number} {'x' * (number % 300)}\n" for number in range(500)]
    for line in sent:
        lines.add(line)
    assert written == []

    lines.flush()

    assert b"".join(written).decode() == "".join(sent)
    assert len(written) < len(sent) / 10
    assert all(len(piece) <= request_log.PIPE_BUF and piece.endswith(b"\n") for piece in written)


def test_where_nobody_takes_lines_whoever_has_one_more_writes(written, monkeypatch):
    monkeypatch.setattr(request_log, "MOST_WAITING", 3)
    lines = request_log.Lines()
    for number in range(4):
        lines.add(f"{number}\n")

    assert written == [b"0\n1\n2\n3\n"]


def test_what_a_write_left_over_is_written_next(monkeypatch):
    taken: list[bytes] = []
    monkeypatch.setattr(request_log.os, "write", lambda _handle, text: taken.append(text[:4]) or len(text[:4]))
    lines = request_log.Lines()
    lines.add("one\n")
    lines.add("two and three\n")

    lines.flush()

    assert b"".join(taken) == b"one\ntwo and three\n"


def test_a_disk_that_is_full_in_the_middle_of_a_line_spoils_no_other(monkeypatch):
    taken, room = [], [6]

    def write(_handle: int, text: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "no space left")
        taken.append(text[: room[0]])
        room[0] -= len(taken[-1])
        return len(taken[-1])

    monkeypatch.setattr(request_log.os, "write", write)
    lines = request_log.Lines()
    for line in ("one\n", "two\n"):
        lines.add(line)
    lines.flush()
    lines.add("lost\n")
    lines.flush()
    room[0] = 100
    for line in ("three\n", "four\n"):
        lines.add(line)
        lines.flush()

    assert b"".join(taken) == b"one\ntw\nthree\nfour\n"


ON_A_FULL_PIPE = """
import logging, os, sys
from web.layer import request_log
os.set_blocking(2, False)
# Whoever reads may have to wait for a processor.
request_log.FULL_SECONDS = 60
request_log.take_over()
for number in range(3000):
    request_log.lines.add(f"{number:05} " + "x" * 200 + "\\n")
request_log.lines.flush()
logging.getLogger("anything").warning("%s", "y" * 100_000)
request_log.lines.end()
"""


@pytest.mark.standard("P-03")
def test_a_pipe_that_does_not_wait_by_itself_loses_nothing_while_somebody_reads_it():
    reader, writer = os.pipe()
    with subprocess.Popen([sys.executable, "-c", ON_A_FULL_PIPE], stderr=writer) as running:
        os.close(writer)
        with os.fdopen(reader) as read:
            told = read.read().splitlines()

    assert running.returncode == 0
    assert [line.partition(" ")[0] for line in told[:-1]] == [f"{number:05}" for number in range(3000)]
    assert json.loads(told[-1])["message"] == "y" * 100_000


ON_A_PIPE_THAT_NOBODY_READS = """
from web.layer import request_log
request_log.END_SECONDS = 0.1
request_log.lines.begin()
for number in range(3000):
    request_log.lines.add(f"{number:05} " + "x" * 200 + "\\n")
"""


@pytest.mark.standard("P-03")
def test_a_pipe_that_nobody_reads_keeps_no_process_from_its_end():
    """It is one that waits by itself, as stderr mostly is."""
    reader, writer = os.pipe()
    try:
        command = [sys.executable, "-c", ON_A_PIPE_THAT_NOBODY_READS]
        run = subprocess.run(command, stderr=writer, timeout=240, check=True)
    finally:
        os.close(reader)
        os.close(writer)

    assert run.returncode == 0


def test_a_pipe_that_nobody_reads_is_waited_for_once(monkeypatch):
    waited, room = [], [3]

    def write(_handle: int, text: bytes) -> int:
        if not room[0]:
            raise BlockingIOError
        taken, room[0] = min(room[0], len(text)), 0
        written.append(text[:taken])
        return taken

    class Poll:
        register = staticmethod(lambda _handle, _event: None)
        poll = staticmethod(waited.append)

    written, now = [], iter(range(1000))
    monkeypatch.setattr(request_log.os, "write", write)
    monkeypatch.setattr(request_log.select, "poll", Poll)
    monkeypatch.setattr(request_log.time, "monotonic", lambda: next(now) / 2)
    lines = request_log.Lines()
    for number in range(5):
        lines.add(f"{number} {'x' * 4000}\n")
    lines.flush()
    room[0] = 10_000
    lines.add("next\n")
    lines.flush()

    assert waited == [500.0]
    assert b"".join(written) == b"0 x\nnext\n"


def test_lines_of_several_processes_on_one_pipe_stay_whole():
    reader, writer = os.pipe()
    program = (
        "from web.layer.request_log import Lines\nlines = Lines()\n"
        "for number in range(2000): lines.add(f'{number:05} ' + 'x' * 200 + '\\n')\nlines.end()"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stderr=writer) for _ in range(2)]
    os.close(writer)
    with os.fdopen(reader) as read:
        told = read.read().splitlines()
    assert [process.wait(240) for process in running] == [0, 0]

    assert len(told) == 4000
    assert {len(line) for line in told} == {206}


def test_a_line_tells_its_own_millisecond_whatever_came_before(monkeypatch):
    day = 1_795_960_800
    moments = (day + 0.9989, day + 0.9999, day + 1.0001, day + 1.0004, day + 0.9999)
    monkeypatch.setattr(request_log.time, "time", iter(moments).__next__)

    told = [json.loads(request_log.text(LogLine("r"), "GET", "200", 0.1))["time"] for _ in moments]

    assert told == [f"2026-11-29T14:00:0{rest}Z" for rest in ("0.998", "0.999", "1.000", "1.000", "0.999")]

"""Bodies are told where they come; longer ones and those that are late on the loop, which nobody waits for."""

import asyncio
import threading

import pytest

from web.server import receiving
from web.server.receiving import BROKEN, MOST_PARTS, TOO_MANY, TOO_SLOW, Receiver

SECONDS = 60


class Body:
    """granian's protocol, and its awaitable: what comes is told to whoever asked, in any thread."""

    def __init__(self) -> None:
        self.callbacks: list = []
        self.error: BaseException | None = None
        self.asked = threading.Semaphore(0)
        self.guard, self.over = threading.Lock(), False

    def __call__(self):
        return self

    def __aiter__(self):
        return self

    def __anext__(self):
        if self.over:
            raise StopAsyncIteration
        return self

    def add_done_callback(self, callback):
        with self.guard:
            self.callbacks.append(callback)
        self.asked.release()
        if self.error is not None:
            self._call()

    def result(self):
        if self.error is not None:
            raise self.error
        return self.part

    def comes(self, part: bytes) -> None:
        assert self.asked.acquire(timeout=SECONDS)
        # As granian's: one empty part ends it.
        self.part, self.over = part, not part
        self._call()

    def cancel(self) -> None:
        self.error = asyncio.CancelledError()
        self._call()

    def _call(self) -> None:
        """Whoever comes first calls."""
        with self.guard:
            callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(self)


class Told:
    """What is told, and in which thread."""

    def __init__(self) -> None:
        self.said: list = []
        self.thread: threading.Thread | None = None
        self._there = threading.Event()

    def __call__(self, said) -> None:
        self.said.append(said)
        self.thread = threading.current_thread()
        self._there.set()

    def wait(self):
        assert self._there.wait(SECONDS)
        return self.said


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def loop():
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    loop.thread = thread
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()


@pytest.fixture
def receiver(loop, monkeypatch):
    monkeypatch.setattr(receiving, "LOOK_SECONDS", 0.01)
    # Whoever sends here may have to wait for a processor.
    for seconds in ("SECONDS", "MOST_SECONDS"):
        monkeypatch.setattr(receiving, seconds, SECONDS)
    made: list[Receiver] = []
    asyncio.run_coroutine_threadsafe(_make(made, loop), loop).result(SECONDS)
    return made[0]


async def _make(made, loop):
    made.append(Receiver(loop))


def test_a_short_body_is_told_in_the_thread_that_it_came_in(receiver, told):
    body = Body()
    receiver.receive(body, 3, told, told)
    body.comes(b"abc")

    assert (told.said, told.thread) == ([b"abc"], threading.current_thread())


def test_a_longer_body_is_put_together_on_the_loop(receiver, told, loop):
    """However many parts it comes in, the thread that requests arrive in has none of the work."""
    body = Body()
    receiver.receive(body, 20_000, told, told)
    body.comes(b"a" * 10_000)
    body.comes(b"b" * 10_000)
    body.comes(b"")

    assert told.wait() == [b"a" * 10_000 + b"b" * 10_000]
    assert told.thread is loop.thread


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("length", [60_000, None])
def test_a_body_of_tiny_parts_is_refused_by_their_number(receiver, told, length):
    body = Body()
    receiver.receive(body, length, told, told)
    for _ in range(MOST_PARTS):
        body.comes(b"a")
    assert told.said == []

    body.comes(b"a")

    assert told.wait() == [TOO_MANY]


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("length", [3, 20_000])
def test_who_is_late_is_told_once(receiver, told, monkeypatch, length):
    monkeypatch.setattr(receiving, "SECONDS", 0.0)
    monkeypatch.setattr(receiving, "LEAST_RATE", 2**40)

    receiver.receive(Body(), length, told, told)

    assert told.wait() == [TOO_SLOW]


@pytest.mark.parametrize("part", [b"", b"ab"])
def test_what_is_shorter_than_it_was_announced_is_none(receiver, told, part):
    body = Body()
    receiver.receive(body, 3, told, told)
    body.comes(part)

    assert told.said == [BROKEN]

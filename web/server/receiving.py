"""Receives bodies of requests without a thread for any of them, each within bounds of size and time."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

# No request of ours is longer; what is, the application refuses when it has seen so much.
LONGEST = 2 * 1024 * 1024
# Shorter ones are received in one go.
SHORT = 16 * 1024
# Each part is a turn of the loop: these may be small, and the rest no smaller than a packet is.
MOST_PARTS, LEAST_PART = 250, 1024
# What the longer ones that are under way may hold together in this process.
MOST_HELD = 64 * 1024 * 1024
# A body gets a few seconds, and more at this rate, until it is there as a whole.
SECONDS, LEAST_RATE, MOST_SECONDS = 5.0, 32 * 1024, 9.0
# When the server is told to stop, what is under way gets so much longer.
STOPPING_SECONDS = 2.0
# How often somebody looks who is late; a timer for each would cost more than receiving a body does.
LOOK_SECONDS = 0.5

TOO_SLOW = "408 Request Timeout"
BROKEN = "400 Bad Request"
TOO_BUSY = "503 Service Unavailable"
TOO_MANY = "413 Content Too Large"

Taken: TypeAlias = Callable[[bytes], object]
Refused: TypeAlias = Callable[[str], object]


class _Receipt:
    """A body under way: when it is late, what granian waits for meanwhile, and whom to tell."""

    __slots__ = ("empty", "late_at", "length", "parts", "refused", "size", "taken", "waiting")

    def __init__(self, late_at: float, length: int | None, taken: Taken, refused: Refused) -> None:
        self.late_at, self.length, self.taken, self.refused = late_at, length, taken, refused
        self.parts: list[bytes] = []
        self.size = self.empty = 0
        self.waiting: Any = None

    def tell(self, refusal: str | None, body: bytes) -> None:
        """Hand it over, or say why not."""
        if refusal is None:
            self.taken(body)
        else:
            self.refused(refusal)


class Receiver:
    """The bodies that one process receives: asked for in any thread.

    granian's awaitables are given callbacks: a task to await them would cost as much as all the rest. Who sent a short
    body is told where granian says that it is there; longer ones are put together on the loop, and who is late is told
    there.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held = 0
        self._stopping = False
        self._receipts: set[_Receipt] = set()
        loop.call_soon(self._look)

    def hurry(self) -> None:
        """The server stops: whoever has not sent all of it yet is waited for only a little longer."""
        self._stopping = True
        soon = time.monotonic() + STOPPING_SECONDS
        for receipt in list(self._receipts):
            receipt.late_at = min(receipt.late_at, soon)

    def receive(self, protocol: Any, length: int | None, taken: Taken, refused: Refused) -> None:
        """Have a body, of this length if one was announced, or the status by which it is refused.

        Of one that is too long it is just so much that the application sees it.
        """
        receipt = _Receipt(time.monotonic() + self._seconds(length), length, taken, refused)
        self._receipts.add(receipt)
        if length is None or length > SHORT:
            self._loop.call_soon_threadsafe(self._next_part, receipt, protocol.__aiter__())
        else:
            receipt.waiting = waiting = protocol()
            waiting.add_done_callback(partial(self._whole, receipt))

    def _seconds(self, length: int | None) -> float:
        if self._stopping:
            return STOPPING_SECONDS
        return min(MOST_SECONDS, SECONDS + (LONGEST if length is None else length) / LEAST_RATE)

    def _look(self) -> None:
        now = time.monotonic()
        for receipt in list(self._receipts):
            # One that comes at this moment is let go of in another thread.
            if receipt.late_at <= now and (waiting := receipt.waiting) is not None:
                # granian then lets go of the connection, and tells.
                waiting.cancel()
        self._loop.call_later(LOOK_SECONDS, self._look)

    def _whole(self, receipt: _Receipt, came: Any) -> None:
        self._let_go(receipt)
        refusal, body = _result(came)
        if len(body) < (receipt.length or 0):
            refusal = refusal or BROKEN
        receipt.tell(refusal, body)

    def _next_part(self, receipt: _Receipt, stream: Any) -> None:
        try:
            receipt.waiting = stream.__anext__()
        except StopAsyncIteration:
            # granian ends a body with one empty part; another says that it broke off.
            broken = receipt.empty > 1 or (receipt.length is not None and receipt.size < receipt.length)
            self._finish(receipt, BROKEN if broken else None)
            return
        arrived = partial(self._arrived, receipt, stream)
        receipt.waiting.add_done_callback(partial(self._loop.call_soon_threadsafe, arrived))

    def _arrived(self, receipt: _Receipt, stream: Any, came: Any) -> None:
        refusal, part = _result(came)
        receipt.parts.append(part)
        receipt.size += len(part)
        receipt.empty += not part
        self._held += len(part)
        if refusal is not None or receipt.size > LONGEST:
            self._finish(receipt, refusal)
        elif self._held > MOST_HELD:
            self._finish(receipt, TOO_BUSY)
        elif len(receipt.parts) > MOST_PARTS + receipt.size // LEAST_PART:
            self._finish(receipt, TOO_MANY)
        else:
            self._next_part(receipt, stream)

    def _finish(self, receipt: _Receipt, refusal: str | None) -> None:
        self._let_go(receipt)
        self._held -= receipt.size
        receipt.tell(refusal, b"".join(receipt.parts))

    def _let_go(self, receipt: _Receipt) -> None:
        self._receipts.discard(receipt)
        # It holds its callback, which holds this: a ring that the collector does not see.
        receipt.waiting = None


def _result(came: Any) -> tuple[str | None, bytes]:
    """What came, or by which status it is refused."""
    try:
        return None, came.result()
    except asyncio.CancelledError:
        return TOO_SLOW, b""
    except RuntimeError:
        # granian has no other word for somebody who is gone, or who sends what is no body.
        return BROKEN, b""

"""Guards before Latchkey: what is answered from memory, how many decisions a second, how soon an end holds everywhere.

20 guards, 100,000 tokens, one worker of Latchkey, all on loopback and over within a minute. Then the same against a
feed that is late, loses answers or stops, and a server that is killed: no ended token may pass longer than stated.

    python -m benchmarks.guards
"""

import bisect
import contextlib
import itertools
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from statistics import median
from typing import Any

from benchmarks import harness, seed
from latchkey import clients, tokens
from latchkey.store import session as db

GUARDS, TOKENS, KNOWN = 20, 100_000, 20_000
REVOCATIONS = 20
# How often each guard looks whether a token that was revoked still passes.
LOOK_SECONDS = 0.01
LOADED_SECONDS = 12.0

_loader = SourceFileLoader("latchkey_guard", str(harness.ROOT / "guard" / "latchkey_guard.py"))
_spec = spec_from_loader("latchkey_guard", _loader)
assert _spec is not None
latchkey_guard: Any = module_from_spec(_spec)
sys.modules["latchkey_guard"] = latchkey_guard
_loader.exec_module(latchkey_guard)


@dataclass
class Trouble:
    """What happens to the answers of the feed on their way."""

    delay: float = 0.0
    loss: float = 0.0
    stopped: bool = False

    def wrap(self, get: Callable[..., Any]) -> Callable[..., Any]:
        def got(path: str, *more: Any) -> Any:
            answer = get(path, *more)
            if path.startswith("/oauth/endings"):
                if self.stopped or random.random() < self.loss:
                    raise latchkey_guard.Unreachable("lost")
                time.sleep(self.delay)
            return answer

        return got


@dataclass
class Stage:
    """A marked resource server, tokens, and where their ids stand."""

    client_id: str
    secret: str
    headers: list[str]
    ids: dict[str, str]

    def guard(self, port: int, trouble: Trouble, **options: Any) -> Any:
        made = latchkey_guard.Guard(
            f"http://127.0.0.1:{port}", client_id=self.client_id, client_secret=self.secret, **options
        )
        made._latchkey.get = trouble.wrap(made._latchkey.get)
        return made


def build(instance: Any) -> Stage:
    seed.connect(instance)
    alice = seed.user("alice@example.com")
    made, secret = clients.register(
        alice, name="Service", homepage="", redirect_uris=["https://app.example.com/cb"], scopes=("account:read",),
        confidential=True,
    )  # fmt: skip
    clients.mark_resource_server(made, on=True)
    db.db.commit()
    texts = seed.tokens(alice, TOKENS, KNOWN)
    found = {text: tokens.find(text) for text in texts[-200:]}
    ids = {f"Bearer {text}": token.id for text, token in found.items() if token is not None}
    db.db.remove()
    return Stage(made.id, str(secret), [f"Bearer {text}" for text in texts], ids)


def zipf(count: int, exponent: float = 1.0) -> Callable[[], int]:
    """Which of so many is next: the second half as often as the first, and so on."""
    sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))
    return lambda: min(count - 1, bisect.bisect(sums, random.random() * sums[-1]))


def decisions(guard: Any, headers: list[str]) -> float:
    """Decisions from memory in a second of one core."""
    hot = headers[:1000]
    for header in hot:
        guard.check(header, "account:read")
    rates = []
    for _ in range(5):
        cpu = time.thread_time()
        for header in hot:
            guard.check(header, "account:read")
        rates.append(len(hot) / (time.thread_time() - cpu))
    return median(rates)


def share_from_memory(guard: Any, headers: list[str], seconds: float) -> tuple[float, int]:
    """What a guard answers from memory of calls whose tokens are as unlike in use as those of people."""
    draw = zipf(len(headers))
    for _ in range(60_000):
        # Warm: what comes in a minute of 1,000 calls a second.
        guard.check(headers[draw()], "account:read")
    asked, calls, until = guard.asked, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        guard.check(headers[draw()], "account:read")
        calls += 1
    return 1 - (guard.asked - asked) / calls, calls


def last_pass(guards: list[Any], header: str, since: Callable[[], float], limit: float) -> float:
    """How long after it ended a token last passed at any of them."""
    latest = [0.0] * len(guards)

    def watch(number: int) -> None:
        refused = 0
        while refused < 20 and time.monotonic() < since() + limit:
            if guards[number].check(header, "account:read").allowed:
                latest[number], refused = time.monotonic(), 0
            else:
                refused += 1
            time.sleep(LOOK_SECONDS)

    harness.together(watch, len(guards))
    return max(0.0, max(latest) - since())


def revoke(token_id: str) -> float:
    found = db.db.get(tokens.Token, token_id)
    assert found is not None
    tokens.revoke(found)
    db.db.commit()
    db.db.remove()
    return time.monotonic()


def effective(guards: list[Any], header: str, token_id: str, limit: float = 70.0) -> float:
    """End a token while guards let it pass, and wait until none does."""
    ended = [float("inf")]
    stop = threading.Timer(0.3, lambda: ended.__setitem__(0, revoke(token_id)))
    stop.start()
    took = last_pass(guards, header, lambda: ended[0] if ended[0] < float("inf") else time.monotonic(), limit)
    stop.join()
    return took


def follow(guards: list[Any], header: str) -> None:
    """Wait until each guard remembers a token and knows what ended."""
    for guard in guards:
        until = time.monotonic() + 20
        while latchkey_guard._now() - guard._known_at > 1 and time.monotonic() < until:
            guard.check(header, "account:read")
            time.sleep(0.05)


@contextlib.contextmanager
def fleet(stage: Stage, port: int, trouble: Trouble, count: int = GUARDS, **options: Any) -> Iterator[list[Any]]:
    made = [stage.guard(port, trouble, **options) for _ in range(count)]
    try:
        yield made
    finally:
        for guard in made:
            guard.close()


def told(what: str, took: list[float], stated: float) -> None:
    worst = max(took)
    verdict = "kept" if worst <= stated else "NOT KEPT"
    print(f"{what:48} {median(took):6.2f} s, at most {worst:.2f} s; stated {stated:g} s: {verdict}")


def main() -> None:
    random.seed(17)
    logging.disable(logging.WARNING)
    with harness.scratch() as instance:
        stage = build(instance)
        spare = iter(stage.ids.items())
        with harness.latchkey(instance) as server:
            trouble = Trouble()
            with fleet(stage, server.port, trouble) as guards:
                header, _ = next(iter(stage.ids.items()))
                follow(guards, header)
                print(f"{decisions(guards[0], stage.headers):10,.0f} decisions a second of one core, from memory")
                before, began = server.cpu_seconds(), time.monotonic()
                time.sleep(5)
                idle = (server.cpu_seconds() - before) / (time.monotonic() - began)
                print(f"{idle:10.1%} of a core of Latchkey for {len(guards)} guards that follow")
                share, calls = share_from_memory(guards[0], stage.headers, LOADED_SECONDS)
                print(f"{share:10.1%} of {calls:,} calls answered from memory, Zipf over {len(stage.headers):,} tokens")
                asked = sum(guard.asked for guard in guards)
                took = [effective(guards, *next(spare)) for _ in range(REVOCATIONS)]
                told(f"a revoked token at {GUARDS} guards", took, 1.0)
                asked = sum(guard.asked for guard in guards) - asked
                print(f"{asked / REVOCATIONS / GUARDS:10.1f} questions a guard and revocation")
            for what, trouble, stated in (
                ("the feed 0.5 s late", Trouble(delay=0.5), 1.5),
                ("the feed 3 s late", Trouble(delay=3.0), 2.0),
                ("half of the feed lost", Trouble(loss=0.5), 2.0),
                ("the feed stopped", Trouble(stopped=True), 2.0),
            ):
                with fleet(stage, server.port, Trouble(), 5) as guards:
                    follow(guards, stage.headers[0])
                    for guard in guards:
                        guard._latchkey.get = trouble.wrap(guard._latchkey.get)
                    told(what, [effective(guards, *next(spare)) for _ in range(3)], stated)
        killed(instance, stage, spare)


def killed(instance: Any, stage: Stage, spare: Iterator[tuple[str, str]]) -> None:
    """The server is killed, and a token ends."""
    header, token_id = next(spare)
    with harness.latchkey(instance) as server, fleet(stage, server.port, Trouble(), 3, fail_closed=True) as guards:
        follow(guards, header)
        for pid in harness.tree(server.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        told("the server killed, guards that fail closed", [effective(guards, header, token_id)], 2.0)


if __name__ == "__main__":
    main()

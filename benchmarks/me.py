"""What `GET /v1/me` costs with many tokens in the database: `python -m benchmarks.me [TOKENS ...]`."""

import sys
from contextlib import ExitStack

from benchmarks import harness, seed

GOAL = 0.70
MANY = (100_000, 1_000_000)


def main(*counts: int) -> None:
    with ExitStack() as stack:
        loads = {}
        for count in counts:
            instance = stack.enter_context(harness.scratch())
            seed.connect(instance)
            plaintexts = seed.tokens(seed.user("alice@example.com"), count)
            seed.db.dispose()
            requests = [harness.get("/v1/me", Authorization=f"Bearer {text}") for text in plaintexts]
            ours = harness.Load(stack.enter_context(harness.latchkey(instance)), requests, count=5_000)
            loads[f"GET /v1/me, {count:,} tokens"] = (ours, GOAL)
        bare = stack.enter_context(harness.bare(stack.enter_context(harness.scratch())))
        harness.against_bare(bare, loads)


if __name__ == "__main__":
    main(*(int(count) for count in sys.argv[1:] or MANY))

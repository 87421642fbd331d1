"""What `GET /v1/me` costs with many tokens in the database: `python -m benchmarks.me [TOKENS]`."""

import sys

from benchmarks import harness, seed

GOAL = 0.70


def main(count: int) -> None:
    with harness.scratch() as instance:
        seed.connect(instance)
        plaintexts = seed.tokens(seed.user("alice@example.com"), count)
        seed.db.dispose()
        requests = [harness.get("/v1/me", Authorization=f"Bearer {text}") for text in plaintexts]
        bare = harness.bare_cpu(instance)
        with harness.latchkey(instance) as server:
            ours = harness.cpu_per_request(server, requests, count=20_000)
        figures = f"bare {bare * 1e6:.0f} µs, ours {ours * 1e6:.0f} µs CPU a request"
        harness.report(f"GET /v1/me, {count:,} tokens", bare / ours, GOAL, figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)

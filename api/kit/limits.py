"""How often a token may call: off until LATCHKEY_API_RATE_LIMIT is set. How often it may change something: always.

With `memory://` each worker process counts its part of the limit; with `redis://…` one count holds for all hosts.
"""

import time
from math import ceil

from api.kit import problems
from api.kit.blueprint import blueprint
from latchkey import settings
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.store import rates
from latchkey.tokens.access import Bearer
from web.calls import Call

POLICY = "token"
WRITES = "writes"


blueprint.record(lambda _state: rates.prepare())


def count_write(call: Call, caller: Bearer) -> None:
    """Count one call that changes something, in the database: exact across workers and hosts, and always on.

    Raises `problems.Problem` when it is one too many.
    """
    quota = settings.current().quota_writes
    if wait := throttle.hit(Counter(f"writes:{caller.family}", (quota,))):
        call.limits += (
            ("RateLimit-Policy", f'"{WRITES}";q={quota.most};w={int(quota.window.total_seconds())}'),
            ("RateLimit", f'"{WRITES}";r=0;t={wait}'),
        )
        raise problems.too_often(wait, policy=WRITES)


def count(call: Call, caller: Bearer) -> None:
    """Count one call. Replacing a token, refreshing it or minting others from it starts no new count (O-03).

    Raises `problems.Problem` when it is one too many. The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
    """
    standing = rates.count(caller.family)
    if standing is None:
        return
    seconds = max(1, ceil(standing.reset_at - time.time()))
    call.limits = (
        ("RateLimit-Policy", f'"{POLICY}";q={standing.most};w={standing.window}'),
        ("RateLimit", f'"{POLICY}";r={standing.left};t={seconds}'),
    )
    if not standing.allowed:
        raise problems.too_often(seconds, policy=POLICY)

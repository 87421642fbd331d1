"""How often a token may call: off until LATCHKEY_API_RATE_LIMIT is set. How often it may change something: always.

With `memory://` each worker process counts for itself; with `redis://…` the limit is exact across workers and hosts.
"""

import logging
import time
from functools import cache
from math import ceil
from typing import Any

from flask.blueprints import BlueprintSetupState
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from api import answers, problems
from api.blueprint import blueprint
from latchkey import settings, throttle
from latchkey.access import Bearer
from latchkey.throttle import Counter

POLICY = "token"
WRITES = "writes"

log = logging.getLogger("latchkey.api")


@cache
def _limiter(url: str) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(storage_from_string(url, wrap_exceptions=True))


@blueprint.record
def _make_ready(_state: BlueprintSetupState) -> None:
    """The library brings in its driver when it is first asked, which is not safe for several threads at once."""
    if settings.current().api_rate_limit is not None:
        _limiter(settings.current().rate_limit_url)


@cache
def _item(rate: str) -> RateLimitItem:
    return parse(rate)


def count_write(environ: dict[str, Any], caller: Bearer) -> None:
    """Count one call that changes something, in the database: exact across workers and hosts, and always on.

    Raises `problems.Problem` when it is one too many.
    """
    quota = settings.current().quota_writes
    if wait := throttle.hit(Counter(f"writes:{caller.family}", (quota,))):
        environ[answers.RATE_LIMIT] = [
            *environ.get(answers.RATE_LIMIT, ()),
            ("RateLimit-Policy", f'"{WRITES}";q={quota.most};w={int(quota.window.total_seconds())}'),
            ("RateLimit", f'"{WRITES}";r=0;t={wait}'),
        ]
        raise problems.too_often(wait, policy=WRITES)


def count(environ: dict[str, Any], caller: Bearer) -> None:
    """Count one call. Replacing a token, refreshing it or minting others from it starts no new count (O-03).

    Raises `problems.Problem` when it is one too many. The headers are those of draft-ietf-httpapi-ratelimit-headers-11.
    """
    rate = settings.current().api_rate_limit
    if rate is None:
        return
    limiter, item = _limiter(settings.current().rate_limit_url), _item(rate)
    try:
        allowed = limiter.hit(item, caller.family)
        reset_at, left = limiter.get_window_stats(item, caller.family)
    except StorageError:
        # Whoever counts is away: better uncounted calls than none.
        log.exception("API calls cannot be counted")
        return
    seconds = max(1, ceil(reset_at - time.time()))
    environ[answers.RATE_LIMIT] = [
        ("RateLimit-Policy", f'"{POLICY}";q={item.amount};w={item.get_expiry()}'),
        ("RateLimit", f'"{POLICY}";r={left};t={seconds}'),
    ]
    if not allowed:
        raise problems.too_often(seconds, policy=POLICY)

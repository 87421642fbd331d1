"""Where API calls are counted, once the operator limits them: in this process, or in Redis for all hosts.

A store that is away or frozen costs a call a quarter of a second at most, and only one call in a few seconds: the
others go on uncounted. That is said once a minute.
"""

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from latchkey import settings
from latchkey.loading import Late

if TYPE_CHECKING:
    import limits
    from limits import RateLimitItem, errors, storage, strategies
    from limits.errors import StorageError
    from limits.storage import Storage
    from redis import backoff, retry
else:
    limits, errors = Late("limits"), Late("limits.errors")
    storage, strategies = Late("limits.storage"), Late("limits.strategies")
    backoff, retry = Late("redis.backoff"), Late("redis.retry")

STORE_SECONDS = 0.25
# After a failure the store is not asked for so long.
AWAY_SECONDS = 5.0
TOLD_SECONDS = 60.0

log = logging.getLogger("latchkey.rates")


class Standing(NamedTuple):
    """The result of counting one call."""

    allowed: bool
    most: int
    window: int
    left: int
    reset_at: float


class _Process:
    """The state of this process: how many workers share the limit, and when the store failed."""

    workers = 1
    away_until = told_at = float("-inf")


def share(workers: int) -> None:
    """So many processes serve: what each of them counts for itself is its part of the limit."""
    _Process.workers = workers


@cache
def _store(url: str) -> "Storage":
    if url.startswith("memory:"):
        return storage.MemoryStorage()
    # A single try, since waiting for another would hold a thread.
    options = {"socket_timeout": STORE_SECONDS, "socket_connect_timeout": STORE_SECONDS}
    once = retry.Retry(backoff.NoBackoff(), 0)
    found: Storage = storage.storage_from_string(url, wrap_exceptions=True, retry=once, **options)  # type: ignore[arg-type, assignment] # handed on to Redis
    return found


@cache
def _item(rate: str, processes: int) -> "RateLimitItem":
    whole = limits.parse(rate)
    return type(whole)(max(1, whole.amount // processes), whole.multiples)


def prepare() -> None:
    """Load the driver now: loading it in several threads at once is not safe."""
    if settings.current().api_rate_limit is not None:
        _store(settings.current().rate_limit_url)


def shared() -> bool:
    """Whether all processes count in one store."""
    return not settings.current().rate_limit_url.startswith("memory:")


def answers() -> bool:
    """Whether calls can be counted, if they are to be."""
    if settings.current().api_rate_limit is None:
        return True
    if away():
        return False
    try:
        return bool(_store(settings.current().rate_limit_url).check())
    except errors.StorageError:
        return False


def away() -> bool:
    """Whether this process lets calls go uncounted at the moment, because the store failed."""
    return time.monotonic() < _Process.away_until


def count(key: str) -> Standing | None:
    """Count a call by this key. None if nothing is limited, or the store cannot be reached."""
    ours = settings.current()
    if ours.api_rate_limit is None or away():
        return None
    item = _item(ours.api_rate_limit, 1 if shared() else _Process.workers)
    limiter = strategies.FixedWindowRateLimiter(_store(ours.rate_limit_url))
    try:
        allowed = limiter.hit(item, key)
        reset_at, left = limiter.get_window_stats(item, key)
    except errors.StorageError as error:
        _note(error)
        return None
    return Standing(allowed, item.amount, item.get_expiry(), left, reset_at)


def _note(error: "StorageError") -> None:
    now = time.monotonic()
    _Process.away_until = now + AWAY_SECONDS
    if now - _Process.told_at >= TOLD_SECONDS:
        _Process.told_at = now
        kind = type(error.storage_error).__qualname__
        log.error("API calls cannot be counted and are let pass: the limits store does not answer (%s)", kind)

"""Codes with which browsers come back, counted: each makes us ask the upstream, in the name of all who sign in here."""

from collections.abc import Iterator
from contextlib import contextmanager

from latchkey.accounts import limits, throttle
from latchkey.upstream.tokens import Refused


@contextmanager
def counted(network: str) -> Iterator[None]:
    """Count a code that is redeemed within; only one that is refused stays counted. Raises `TooMany` before that.

    Whoever makes up codes would else have the upstream shut this portal out, with everybody who signs in by it.
    """
    everybody = limits.everybody("upstream-anywhere", "upstream-under-attack", network)
    counters = throttle.admit(*limits.of_network("upstream-from", network, limits.NETWORK), crowd=everybody)
    refused = False
    try:
        yield
    except Refused:
        refused = True
        raise
    finally:
        if not refused:
            throttle.refund(*counters)

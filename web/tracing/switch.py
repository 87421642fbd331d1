"""Turns traces on, where they are asked for; the only file of this folder that is loaded otherwise."""

from importlib import import_module

from latchkey.watching import traces
from web.layer.middleware import Exchange, MakeExchange


def begin() -> MakeExchange:
    """How this process makes exchanges: with a span for each, if traces are on. Once, and after it was forked."""
    if not traces.standing().on:
        return Exchange
    # By name, since its imports are there with the extra alone.
    make: MakeExchange = import_module("web.tracing.provider").begin()
    return make

"""How often a token may call: off until LATCHKEY_API_RATE_LIMIT is set."""

from latchkey.access import Bearer


def count(_caller: Bearer) -> None:
    """Count one call."""

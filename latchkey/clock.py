"""The one source of time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, in UTC. Called through the module, so that one patch moves all time."""
    return datetime.now(UTC)

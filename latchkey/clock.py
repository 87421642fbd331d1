"""The one source of time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, in UTC. Called through the module, so that one patch moves all time."""
    return datetime.now(UTC)


def rfc3339(moment: datetime, precision: str = "seconds") -> str:
    """`2026-11-23T14:41:00Z`: a moment in UTC for programs, as precise as `datetime.isoformat` is asked to be."""
    return moment.isoformat(timespec=precision)[:-6] + "Z"

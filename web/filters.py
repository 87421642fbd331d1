"""How templates and mails write times, counts and names."""

from datetime import UTC, datetime

from flask import Flask

from latchkey import clock, domains

MINUTE, HOUR, DAY = 60, 3600, 86400
FAR = 30  # days after which the past is a date
FARTHEST = 400  # days up to which the future is counted


def date(at: datetime) -> str:
    """`21 February 2027`."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B} {at.year}"


def day(at: datetime) -> str:
    """`21 Feb 2027`, for rows and tables."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b} {at.year}"


def moment(at: datetime) -> str:
    """`23 November 2026, 14:41 UTC`."""
    return f"{date(at)}, {at.astimezone(UTC):%H:%M} UTC"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 scope`, `1,284 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ago(at: datetime) -> str:
    """`4 minutes ago`, `yesterday`; a date when that was long ago."""
    seconds = (clock.now() - at).total_seconds()
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{plural(int(seconds // MINUTE), 'minute')} ago"
    if seconds < DAY:
        return f"{plural(int(seconds // HOUR), 'hour')} ago"
    days = int(seconds // DAY)
    if days == 1:
        return "yesterday"
    return f"{days} days ago" if days <= FAR else day(at)


def until(at: datetime) -> str:
    """`in 88 days`, `in 5 hours`; what is past reads as `ago` says it."""
    seconds = (at - clock.now()).total_seconds()
    if seconds <= 0:
        return ago(at)
    if seconds < HOUR:
        return f"in {plural(max(1, round(seconds / MINUTE)), 'minute')}"
    if seconds < DAY:
        return f"in {plural(round(seconds / HOUR), 'hour')}"
    days = round(seconds / DAY)
    return f"in {plural(days, 'day')}" if days <= FARTHEST else day(at)


def initials(name: str) -> str:
    """`AL` of Ada Lindqvist; one letter of a single word."""
    words = name.split()
    return "".join(word[0] for word in (words[0], words[-1]) if word).upper() if len(words) > 1 else name[:1].upper()


def register(app: Flask) -> None:
    """Give the filters to every template."""
    app.jinja_env.filters.update(
        date=date,
        day=day,
        moment=moment,
        iso=clock.rfc3339,
        ago=ago,
        until=until,
        plural=plural,
        initials=initials,
        address=domains.shown_address,
    )
    app.jinja_env.globals.update(now=clock.now)

"""How templates and mails write times, counts and names, and whatever else stands in a page."""

import re
from calendar import month_abbr, month_name
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flask import Flask
from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import Expr
from markupsafe import Markup, escape

from latchkey import clock, domains, texts

MINUTE, HOUR, DAY = 60, 3600, 86400
FAR = 30  # days after which the past is a date
FARTHEST = 400  # days up to which the future is counted
# By hand: `strftime` asks the machine's language each time.
MONTHS, SHORT_MONTHS = tuple(month_name), tuple(month_abbr)
# What `escape` writes in other characters.
SPECIAL = re.compile("[&<>'\"]").search


def date(at: datetime) -> str:
    """`21 February 2027`."""
    at = at.astimezone(UTC)
    return f"{at.day} {MONTHS[at.month]} {at.year}"


def day(at: datetime) -> str:
    """`21 Feb 2027`, for rows and tables."""
    at = at.astimezone(UTC)
    return f"{at.day} {SHORT_MONTHS[at.month]} {at.year}"


def moment(at: datetime) -> str:
    """`23 November 2026, 14:41 UTC`."""
    at = at.astimezone(UTC)
    return f"{at.day} {MONTHS[at.month]} {at.year}, {at.hour:02}:{at.minute:02} UTC"


def _clock(at: datetime) -> str:
    """`14:41`."""
    at = at.astimezone(UTC)
    return f"{at.hour:02}:{at.minute:02}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 scope`, `1,284 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def few(names: Sequence[str] | str, most: int = 3) -> str:
    """`account:read, tokens:read, apps:read and 2 more`, also of a wire string: enough to recognise something by."""
    names = names.split() if isinstance(names, str) else names
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


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


# A page tells one moment in several ways, and is looked at again.
@lru_cache(maxsize=512)
def _attributes(at: datetime) -> str:
    return f'datetime="{clock.rfc3339(at)}" title="{moment(at)}"'


class Element:
    """A time as an element: UTC as it comes and on hover, which the script writes in the reader's own zone.

    `form` tells it in which words: date (21 February 2027), day (21 Feb 2027, for rows and tables), moment (with the
    time of day), clock (14:41); none for a distance (4 minutes ago), until that is so far that it is told as a day.
    """

    def __init__(self, words: Callable[[datetime], str], form: str = "", never: str = "Never") -> None:
        self._words, self._as, self._never = words, f' data-as="{form}"' if form else "", never

    def __call__(self, at: datetime | None) -> str:
        """The markup; in words what there is no time of."""
        if at is None:
            return self._never
        text = self._words(at)
        # What ends with the year is a day.
        form = self._as or (' data-as="day"' if text[-1].isdecimal() else "")
        return Markup(f"<time {_attributes(at)}{form}>{text}</time>")  # noqa: S704 - made of a time alone


def initials(name: str) -> str:
    """`AL` of Ada Lindqvist; one letter of a single word."""
    words = name.split()
    return "".join(word[0] for word in (words[0], words[-1]) if word).upper() if len(words) > 1 else name[:1].upper()


def apart(name: str) -> str:
    """A name that somebody chose, within a sentence of ours: if it reads from right to left, only within itself."""
    return Markup("<bdi>{}</bdi>").format(name) if texts.LEFTWARD(name) else name


class Written(CodeGenerator):
    """Has templates write a text that needs no escaping as it is: each of a thousand on a page became markup first."""

    @staticmethod
    def text(value: Any) -> str:
        """The same characters as `escape` gives; only for what is put together with what stands around it."""
        kind = type(value)
        if kind is str:
            return escape(value) if SPECIAL(value) else value
        return value if kind is Markup else escape(value)

    def _output_child_pre(self, node: Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write(f"environment.code_generator_class.text({finalize.src or ''}")


def register(app: Flask) -> None:
    """Give the filters to every template."""
    app.jinja_env.code_generator_class = Written
    app.jinja_env.filters.update(
        date=date,
        day=day,
        moment=moment,
        ago=ago,
        until=until,
        plural=plural,
        few=few,
        initials=initials,
        address=domains.shown_address,
        apart=apart,
        # The same for attributes, and for what is put together before it is shown.
        apart_in_text=texts.apart,
        time_ago=Element(ago),
        time_until=Element(until, never="No expiry"),
        time_date=Element(date, "date"),
        time_day=Element(day, "day"),
        time_moment=Element(moment, "moment"),
        time_clock=Element(_clock, "clock"),
    )
    app.jinja_env.globals.update(now=clock.now)

"""Lists as CSV, for a spreadsheet, in which nothing that a stranger sent becomes a formula."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import chain

from flask import Response

from latchkey import clock

# A spreadsheet takes a cell that begins like this for a formula, and what strangers sent stands in these cells.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> str:
    """A value as text that stays text; programs leave out what is empty before a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text


def lines(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The file, a line at a time."""
    written = StringIO()
    table = csv.writer(written)
    for row in chain([columns], rows):
        table.writerow([cell(value) for value in row])
        yield written.getvalue()
        written.seek(0)
        written.truncate()


def download(name: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Response:
    """The file under a name with today's date, whole, as the server sends it; the caller bounds it."""
    response = Response("".join(lines(columns, rows)), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{clock.now():%Y-%m-%d}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response

"""Lists as CSV, for a spreadsheet, in which nothing that a stranger sent becomes a formula."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import chain

from flask import Response

from latchkey import clock

# A spreadsheet takes a cell that begins like this for a formula, in some countries also in full width, and what
# strangers sent stands in these cells. Programs leave out what is empty before it; where commas stand in numbers they
# begin another cell at each semicolon.
FORMULA = re.compile(r"(^|;)(?=[\t\r]|\s*[=+@\uff1d\uff0b\uff20\uff0d-])")


def cell(value: object) -> str:
    """A value as text that stays text, whatever a program takes for the end of a cell."""
    return FORMULA.sub(r"\1'", str(value))


def lines(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The file, a line at a time."""
    written = StringIO()
    table = csv.writer(written)
    for row in chain([columns], rows):
        table.writerow([cell(value) for value in row])
        yield written.getvalue()
        written.seek(0)
        written.truncate()


def download(name: str, body: str | bytes) -> Response:
    """The file under a name with today's date, whole, as the server sends it; the caller bounds it."""
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{clock.now():%Y-%m-%d}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response

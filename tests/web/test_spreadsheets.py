"""Cells of CSV files that strangers could have written."""

import csv
import io

import pytest

from web import spreadsheets


@pytest.mark.standard("P-03")
@pytest.mark.parametrize(
    "written, begins",
    [
        ("=1+1", "'="),
        (" @SUM(1)", "' @"),
        ("\t1", "'\t"),
        ("＝1+1", "'＝"),
        ("curl/8;=cmd|' /C calc'!A0;x", "curl/8;'="),
        ("Bot/2.1; +https://example.com", "Bot/2.1;' +"),
        ("Mozilla/5.0 (X11; Linux) a-b=c", "Mozilla/5.0 (X11; Linux) a-b=c"),
        ("", ""),
    ],
)
def test_no_cell_becomes_a_formula_also_where_semicolons_part_them(written, begins):
    [line] = spreadsheets.lines((written,), ())

    assert next(csv.reader(io.StringIO(line))) == [spreadsheets.cell(written)]
    assert spreadsheets.cell(written).startswith(begins)
    for cell in spreadsheets.cell(written).split(";"):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝"))

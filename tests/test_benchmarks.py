"""The tables of measurements: what a line says, and that the page that keeps them has a place for each."""

import benchmarks.__main__ as whole
from benchmarks.rows import Row, table


def test_a_line_has_the_figures_of_all_sites_and_says_whether_goals_were_reached():
    rows = [
        Row("`/v1/me`", "SQLite before", 0.885),
        Row("`/v1/me`", "SQLite", 1.313, 1.3),
        Row("`/v1/me`", "PostgreSQL", 0.7, 0.75),
        Row("memory", "SQLite", 161.2, 160, unit="MiB", most=True),
        Row("memory", "PostgreSQL", 1660, unit="MiB"),
    ]

    assert table("what", rows).splitlines() == [
        "| what | SQLite before | SQLite | goal | PostgreSQL | goal |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `/v1/me` | 0.89 | 1.31 | ≥ 1.30 reached | 0.70 | ≥ 0.75 **missed** |",
        "| memory |  | 161 MiB | ≤ 160 MiB **missed** | 1,660 MiB |  |",
    ]


def test_each_table_is_kept_between_its_marks_with_its_date(tmp_path, monkeypatch):
    page = whole.README.read_text(encoding="utf-8")
    monkeypatch.setattr(whole, "README", tmp_path / "README.md")
    whole.README.write_text(page, encoding="utf-8")

    for name in whole.TABLES:
        whole.keep(name, f"the table of {name}: \\1")

    kept = whole.README.read_text(encoding="utf-8")
    for name in whole.TABLES:
        assert f"<!-- {name} -->\nthe table of {name}: \\1\n\nMeasured on " in kept
    assert kept.startswith(page[: page.index("<!--")])
    assert kept.endswith(page[page.rindex("-->") :])

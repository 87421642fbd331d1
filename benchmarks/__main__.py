"""What the product costs, in tables: `python -m benchmarks`, which keeps them in README.md beside this file."""

import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import beside, growth, oauth, screen, sites, start
from benchmarks.rows import table
from benchmarks.sites import Measure

README = Path(__file__).parent / "README.md"
# Each table by its name in README.md: its title, and who measures its rows.
TABLES: dict[str, tuple[str, tuple[Measure, ...]]] = {
    "jobs": ("job, as a share of a bare route's CPU", (oauth.rows,)),
    "felt": ("what people and operators feel", (beside.rows, screen.rows, start.rows)),
    "growth": (f"{growth.MANY:,} tokens, most of them dead, beside {growth.FEW:,}", (growth.rows,)),
}
# What takes many minutes, and twelve gigabytes.
LONG = ("growth",)


def keep(name: str, told: str) -> None:
    """Put a table between its marks in README.md, with today's date."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    fresh = f"{begin}\n{told}\n\nMeasured on {datetime.now(UTC):%-d %B %Y}.\n{end}"
    text = README.read_text(encoding="utf-8")
    README.write_text(re.sub(f"{begin}.*?{end}", lambda _: fresh, text, flags=re.DOTALL), encoding="utf-8")


def main() -> None:
    parser = sites.options(__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes many minutes: growth")
    parser.add_argument("--only", action="append", choices=TABLES, help="only this table")
    given = parser.parse_args()
    chosen = given.only or [name for name in TABLES if not (given.quick and name in LONG)]
    for name in chosen:
        title, measures = TABLES[name]
        with sites.places(given) as make:
            told = table(title, [row for measure in measures for row in measure(make())])
        print(told, end="\n\n", flush=True)
        if not given.database:
            keep(name, told)


if __name__ == "__main__":
    main()

"""One line of a table: what was measured, where, and what was aimed at."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of one site; those of one name stand in one line of a table.

    Without a unit it is a ratio. `most` says that the goal is not to be passed, else it is to be reached.
    """

    name: str
    site: str
    figure: float
    goal: float | None = None
    unit: str = ""
    most: bool = False

    @property
    def reached(self) -> bool:
        return self.goal is None or (self.figure <= self.goal if self.most else self.figure >= self.goal)

    def told(self, figure: float) -> str:
        """A figure of this row's kind, as short as it says something."""
        digits = 2 if not self.unit or abs(figure) < 10 else 1 if abs(figure) < 100 else 0
        return f"{figure:,.{digits}f} {self.unit}".strip()

    @property
    def aim(self) -> str:
        """The goal, and whether it was reached."""
        if self.goal is None:
            return ""
        return f"{'≤' if self.most else '≥'} {self.told(self.goal)} {'reached' if self.reached else '**missed**'}"


def table(title: str, rows: Iterable[Row]) -> str:
    """A table in Markdown: a line for each name, and for each site its figure and, where there are some, goals."""
    found = {(row.name, row.site): row for row in rows}
    sites = list(dict.fromkeys(site for _, site in found))
    aimed = {site for site in sites if any(row.goal is not None for row in found.values() if row.site == site)}
    heads = [title, *(each for site in sites for each in ((site, "goal") if site in aimed else (site,)))]
    lines = [heads, ["---"] * len(heads)]
    for name in dict.fromkeys(name for name, _ in found):
        cells = [name]
        for site in sites:
            row = found.get((name, site))
            cells.append(row.told(row.figure) if row else "")
            if site in aimed:
                cells.append(row.aim if row else "")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

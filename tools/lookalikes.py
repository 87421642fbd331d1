"""Make latchkey/naming/lookalikes.txt of Unicode's confusables.txt.

Run as `python -m tools.lookalikes CONFUSABLES`. That file is at
https://www.unicode.org/Public/security/latest/confusables.txt; its version and notice are kept.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

TABLE = Path(__file__).parents[1] / "latchkey" / "naming" / "lookalikes.txt"
ENTRY = re.compile(r"([0-9A-F]+) ;\t([0-9A-F ]+) ;\tMA\t")


def main(source: Path) -> None:
    """Write what looks alike, a line for each prototype: it, and behind a colon all that is taken for it."""
    lines = source.read_text(encoding="utf-8-sig").splitlines()
    head = [line for line in lines[:10] if line.strip("# ")]
    taken_for: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if found := ENTRY.match(line):
            taken_for[found[2]].append(found[1])
    entries = [f"{prototype}: {' '.join(sources)}" for prototype, sources in taken_for.items()]
    TABLE.write_text("\n".join([*head, "# Made shorter by tools/lookalikes.py", *entries, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

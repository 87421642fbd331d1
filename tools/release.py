"""Keeps what a version needs to serve: `python -m tools.release [CHECKOUT]`, when it is given out.

Tests let its code serve beside that of the next version, on the schema of that one. What is the same for both is left
out: `BULKY` is data, which the next version lends.
"""

import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "releases"
BULKY = {".bin", ".lock", ".md", ".png", ".webp", ".woff2"}


def served(checkout: Path) -> list[str]:
    """What goes into an image of it."""
    said = (checkout / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return [line[1:] for line in said if line.startswith("!")]


def needed(checkout: Path) -> list[Path]:
    """The files of those, in one order."""
    found = [path for name in served(checkout) for path in (checkout / name, *(checkout / name).rglob("*"))]
    return sorted(
        path for path in found if path.is_file() and path.suffix not in BULKY and "__pycache__" not in path.parts
    )


def keep(checkout: Path) -> Path:
    """Put them into an archive that is named by the last migration, in place of the one of the version before."""
    revision = max(path.name.partition("_")[0] for path in (checkout / "migrations" / "versions").glob("*.py"))
    for old in FOLDER.glob("*.tar.xz"):
        old.unlink()
    kept = FOLDER / f"{revision}.tar.xz"
    with tarfile.open(kept, "w:xz", preset=9) as archive:
        for path in needed(checkout):
            info = tarfile.TarInfo(str(path.relative_to(checkout)))
            info.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(info, file)
    return kept


if __name__ == "__main__":
    kept = keep(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
    print(f"{kept.relative_to(ROOT)}: {kept.stat().st_size:,} bytes")

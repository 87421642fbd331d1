"""The version that was given out before this one, as `python -m tools.release` kept it: its code runs beside ours."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tools import release

ROOT = release.ROOT
[ARCHIVE] = release.FOLDER.glob("*.tar.xz")
# The last migration that it knows.
REVISION = ARCHIVE.name.partition(".")[0]
COMMAND = [sys.executable, "-c", "from cli import latchkey; latchkey(prog_name='latchkey')"]


def unpack(folder: Path) -> Path:
    """Its checkout, with what it has in common with ours."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for top in folder.iterdir():
        for path in (ROOT / top.name).rglob("*"):
            lent = folder / path.relative_to(ROOT)
            if path.suffix in release.BULKY and lent.parent.is_dir():
                lent.symlink_to(path)
    return folder


def run(checkout: Path, program: str, *told: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a program says in its checkout: what lies there is found before what is installed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    command = [sys.executable, "-c", program, *told]
    return subprocess.run(command, cwd=checkout, env=clean | environment, capture_output=True, text=True, check=False)

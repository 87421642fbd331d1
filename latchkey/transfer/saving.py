"""Writing a backup: the database as it is at one moment, with what the instance folder has, sealed."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latchkey import clock, settings, vault
from latchkey.store import migrations
from latchkey.store.session import Base
from latchkey.store.snapshots import snapshot
from latchkey.transfer import content, sealed, whole

FORMAT = 1
# What an operator may have written there; secret keys are carried whatever they come from.
NAMES = ("config.toml", "scopes.toml", "resources.toml")
LARGEST = 4 << 20
SHORTEST_PASSPHRASE = 8


class NotWritten(Exception):
    """A backup cannot be made; the text says why in one line."""


@dataclass(frozen=True)
class Saved:
    """What a backup holds."""

    made_at: str
    revision: str
    rows: dict[str, int]
    files: list[str]
    bytes: int


def save(path: Path, passphrase: str) -> Saved:
    """Write a backup, whole or not at all. Raises `NotWritten`."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise NotWritten(f"the passphrase needs at least {SHORTEST_PASSPHRASE} characters")
    _want_free(path)
    ours, made_at, counts = settings.base(), clock.rfc3339(clock.now()), dict[str, int]()
    files = dict(_files(ours.instance, ours.brand_logo))
    with whole.writing(path) as file:
        writer = sealed.Writer(file, passphrase)
        with snapshot(ours.instance) as connection:
            # In the snapshot, since somebody may migrate meanwhile.
            revision = migrations.stands(connection) or ""
            if revision != migrations.head():
                raise NotWritten(
                    f"the database is at migration {revision or 'none'} and this version at {migrations.head()}: "
                    "run latchkey init, or back up with the newer version"
                )
            writer.write(content.written(_said(made_at, revision, files)))
            for line in content.rows(connection, Base.metadata, counts):
                writer.write(line)
        writer.finish()
        size = file.tell()
    return Saved(made_at, revision, counts, sorted(files), size)


def _said(made_at: str, revision: str, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "revision": revision,
        "made_at": made_at,
        # The one that signs and seals first.
        "keys": vault.keys()[::-1],
        "files": {name: base64.b64encode(data).decode() for name, data in files.items()},
    }


def _want_free(path: Path) -> None:
    """Only a backup is written over. Raises `NotWritten`."""
    if not path.parent.is_dir():
        raise NotWritten(f"there is no folder {path.parent}")
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise NotWritten(f"{path} is no place for a file")
    if path.exists():
        with path.open("rb") as there:
            if there.read(len(sealed.MAGIC)) != sealed.MAGIC:
                raise NotWritten(f"{path} is there already and is no backup")


def _files(folder: Path, logo: str | None) -> Iterator[tuple[str, bytes]]:
    named = [folder / name for name in (*NAMES, logo) if name]
    for path in named:
        # A logo may lie elsewhere.
        if path.is_file() and path.is_relative_to(folder) and ".." not in path.parts:
            if path.stat().st_size > LARGEST:
                raise NotWritten(f"{path} is too large for a backup")
            yield str(path.relative_to(folder)), path.read_bytes()

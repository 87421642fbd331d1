"""Restoring a backup into an empty installation: all of it, or nothing."""

import base64
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO

from latchkey import clock, settings
from latchkey.journal import chain
from latchkey.settings import PREFIX, Settings
from latchkey.store import migrations
from latchkey.store import session as store
from latchkey.transfer import content, sealed, whole
from latchkey.transfer.saving import FORMAT
from latchkey.transfer.sealed import NotOpened

CONFIG, KEY = "config.toml", "secret_key"


class NotRestored(Exception):
    """A backup cannot go in here; the text says why in one line."""


@dataclass(frozen=True)
class Said:
    """What a backup says of itself: when and at which migration it was made, its secret keys, the newest first."""

    made_at: str
    revision: str
    keys: list[str]
    files: dict[str, bytes]


@dataclass(frozen=True)
class Restored:
    """What was put where, and what was left as it was found."""

    settings: Settings
    said: Said
    rows: dict[str, int]
    written: list[str]
    kept: list[str]

    @property
    def lacks_keys(self) -> bool:
        """Whether earlier secret keys of there are not named here."""
        return not {self.settings.secret_key, *self.settings.secret_key_fallbacks}.issuperset(self.said.keys)


def restore(file: BinaryIO, passphrase: str, environ: Mapping[str, str] = os.environ) -> Restored:
    """Put a backup into the installation that these settings name. Raises `NotOpened` and `NotRestored`."""
    said = _looked_through(file, passphrase)
    ours, brings_key = _settings(said, environ)
    _want_same_installation(said, ours)
    ours.instance.mkdir(parents=True, exist_ok=True)
    settings.use(ours)
    store.configure(ours.database_url)
    try:
        with migrations.filling(said.revision) as connection:
            lines = _lines(file, passphrase)
            next(lines)
            rows = content.put_in(connection, lines)
            migrations.bring_up(connection)
            # Before the rows are there for good: a kill in between leaves what the next try finds as it wants it.
            written, kept = _put_files(said, ours, brings_key=brings_key)
    except migrations.NotEmpty as error:
        raise NotRestored(f"restore needs an empty installation, and the database {error}") from None
    chain.anchor()
    return Restored(ours, said, rows, written, kept)


def _looked_through(file: BinaryIO, passphrase: str) -> Said:
    """What a backup says of itself, once all of it was found whole."""
    lines = _lines(file, passphrase)
    said: dict[str, Any] = json.loads(next(lines))
    if said["format"] != FORMAT or not migrations.knows(said["revision"]):
        raise NotRestored(
            f"the backup is newer than this version (migration {said['revision']}): upgrade Latchkey first"
        )
    for _ in lines:
        pass
    files = {name: base64.b64decode(data) for name, data in said["files"].items()}
    if any(PurePath(name).is_absolute() or ".." in PurePath(name).parts for name in files):
        raise NotOpened("it has a file that belongs outside of the instance folder")
    return Said(said["made_at"], said["revision"], said["keys"], files)


def _lines(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    rest = b""
    for part in sealed.opened(file, passphrase):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
    if rest:
        raise NotOpened("it ends in the middle of a line")


def _settings(said: Said, environ: Mapping[str, str]) -> tuple[Settings, bool]:
    """The settings of here, with what the backup brings where nothing here says it, and whether that is its key."""
    found: dict[str, Any] = dict(environ)
    config = said.files.get(CONFIG)
    if config is not None and not (settings.read(environ).instance / CONFIG).exists():
        brought = tomllib.loads(config.decode("utf-8-sig"))
        found = {f"{PREFIX}{name.upper()}": value for name, value in brought.items()} | found
    brings_key = not settings.read(found).secret_key
    if brings_key:
        found[f"{PREFIX}SECRET_KEY"] = said.keys[0]
    return settings.load(found), brings_key


def _want_same_installation(said: Said, ours: Settings) -> None:
    """Raises `NotRestored` where the keys of here would not open what the backup has, or belong to something else."""
    if said.keys[0] not in (ours.secret_key, *ours.secret_key_fallbacks):
        raise NotRestored(
            "LATCHKEY_SECRET_KEY is not the one of the backup: leave it out to have that one, "
            "or name that one in LATCHKEY_SECRET_KEY_FALLBACKS"
        )
    if (ours.instance / chain.ANCHOR).exists() and _kept_key(ours) not in (None, ours.secret_key):
        raise NotRestored(f"{ours.instance} belongs to another installation, which has been used")


def _kept_key(ours: Settings) -> str | None:
    path = ours.instance / KEY
    return path.read_text().strip() if path.exists() else None


def _put_files(said: Said, ours: Settings, *, brings_key: bool) -> tuple[list[str], list[str]]:
    """Which files were written, and which were left since others stand there."""
    files = dict(said.files)
    for name in files:
        folder = (ours.instance / name).parent
        if not folder.resolve().is_relative_to(ours.instance):
            raise NotRestored(f"{folder} leads out of the instance folder: remove the link first")
    if brings_key:
        files[KEY] = f"{ours.secret_key}\n".encode()
        _set_aside_key(ours)
    written, kept = list[str](), list[str]()
    for name, data in files.items():
        path = ours.instance / name
        if path.exists():
            # A link that the operator put there, too.
            (written if path.read_bytes() == data else kept).append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole.writing(path) as file:
            file.write(data)
        written.append(name)
    # It tells of the end of a chain that is not there any more.
    (ours.instance / chain.ANCHOR).unlink(missing_ok=True)
    return sorted(written), sorted(kept)


def _set_aside_key(ours: Settings) -> None:
    """Nothing is sealed under the key of an empty installation; it is kept all the same."""
    path = ours.instance / KEY
    if _kept_key(ours) not in (None, ours.secret_key):
        path.rename(path.with_name(f"{KEY}.before-{clock.now():%Y%m%d%H%M%S%f}"))

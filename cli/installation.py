"""`latchkey init|backup|restore`: an installation that can serve, carried elsewhere and back."""

import sys
from dataclasses import asdict
from pathlib import Path

import click

from cli.base import Refused, installation, json_option, latchkey, secret_input, tell
from latchkey import settings
from latchkey.naming import presets
from latchkey.store import migrations
from latchkey.store import session as db
from latchkey.transfer import restoring, saving
from latchkey.transfer.restoring import NotRestored
from latchkey.transfer.saving import NotWritten
from latchkey.transfer.sealed import NotOpened

file_argument = click.argument("file", type=click.Path(path_type=Path))
passphrase_option = click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase from standard input.")


def prepare() -> str:
    """Create or migrate the database of this process's settings; the revision at which it stands then."""
    ours = settings.load()
    settings.use(ours)
    # A mistake there is told before anything is changed.
    presets.load_catalogue(ours.instance)
    db.configure(ours.database_url)
    stands = migrations.revision()
    if stands is not None and not migrations.knows(stands) and not migrations.serves(stands):
        raise Refused(f"the database is at migration {stands}, which is newer than this version: upgrade Latchkey")
    if not migrations.serves(stands):
        migrations.upgrade()
    return migrations.revision() or ""


@latchkey.command("init")
@json_option
def init() -> None:
    """Create or migrate the database; safe to repeat."""
    revision = prepare()
    backend = db.engines().write.dialect.name
    db.dispose()
    tell({"database": backend, "revision": revision}, f"The {backend} database is ready, at migration {revision}.")


def _passphrase(*, given: bool, twice: bool) -> str:
    if given:
        return secret_input("passphrase")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: say --passphrase-stdin.")
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True))


@latchkey.command("backup")
@file_argument
@passphrase_option
@json_option
def backup(*, file: Path, passphrase_stdin: bool) -> None:
    """Write database, secret keys, configuration and logo to FILE, sealed with a passphrase; also while serving.

    FILE appears when it is whole. A backup that stands there is replaced, anything else is not.
    """
    with installation():
        passphrase = _passphrase(given=passphrase_stdin, twice=True)
        try:
            saved = saving.save(file.absolute(), passphrase)
        except NotWritten as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise Refused(f"{file} cannot be written: {error.strerror}") from None
    facts = asdict(saved) | {"file": str(file)}
    total = sum(saved.rows.values())
    tell(facts, f"Wrote {file}: {total:,} rows at migration {saved.revision}, {saved.bytes:,} bytes.")


@latchkey.command("restore")
@file_argument
@passphrase_option
@json_option
def restore(*, file: Path, passphrase_stdin: bool) -> None:
    """Put a backup into an empty installation, which may have the other kind of database."""
    passphrase = _passphrase(given=passphrase_stdin, twice=False)
    try:
        with file.open("rb") as opened:
            restored = restoring.restore(opened, passphrase)
    except NotOpened as error:
        raise Refused(f"{file} cannot be restored: {error}") from None
    except NotRestored as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"{error.filename or file} cannot be used: {error.strerror}") from None
    backend = db.engines().write.dialect.name
    db.dispose()
    facts = {
        "database": backend,
        "instance": str(restored.settings.instance),
        "made_at": restored.said.made_at,
        "revision": migrations.head(),
        "rows": restored.rows,
        "files": restored.written,
        "kept": restored.kept,
        "lacks_keys": restored.lacks_keys,
    }
    left = f" Left as they were: {', '.join(restored.kept)}." if restored.kept else ""
    if restored.lacks_keys:
        left += " LATCHKEY_SECRET_KEY_FALLBACKS was set there: set it here, too."
    total = sum(restored.rows.values())
    tell(facts, f"Restored {total:,} rows of {restored.said.made_at} into {backend}.{left} Now run: latchkey doctor")

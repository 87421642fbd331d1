"""`latchkey export|import`: users, apps, authorizations and tokens, out of here and in from elsewhere."""

from dataclasses import asdict
from pathlib import Path

import click

from cli.base import Refused, installation, json_option, latchkey, one_line, tell, user_of
from latchkey import scopes
from latchkey.journal import acts
from latchkey.journal.acts import ActKind
from latchkey.scopes import UnknownScope
from latchkey.store.session import db
from latchkey.tokens.imported.proofs import BadAlgorithm
from latchkey.transfer.moving import exporting, importing
from latchkey.transfer.moving.desk import Desk
from latchkey.transfer.moving.exporting import NotExported
from latchkey.transfer.moving.systems.keys import NoTable

LONGEST_KEY = 16 * 1024
file_argument = click.argument("file", type=click.Path(path_type=Path))


@latchkey.command("export")
@file_argument
@json_option
def export(*, file: Path) -> None:
    """Write users, apps, authorizations and digests of tokens to FILE, a JSON object a line; also while serving.

    It holds no secret, but mail addresses. FILE appears when it is whole.
    """
    with installation():
        try:
            exported = exporting.export(file.absolute())
        except NotExported as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise Refused(f"{file} cannot be written: {error.strerror}") from None
    counts = ", ".join(f"{count:,} {kind}{'s' * (count != 1)}" for kind, count in exported.counts.items())
    tell(asdict(exported) | {"file": str(file)}, f"Wrote {file}: {counts}.")


def _mapping(given: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """What scopes of there are called here. Raises `click.UsageError`."""
    found: dict[str, frozenset[str]] = {}
    for each in given:
        there, sign, here = each.partition("=")
        try:
            named = scopes.parse(here)
        except UnknownScope:
            raise click.UsageError(f"--scope {each[:80]}: there is no such scope here.") from None
        if not sign or not there.strip():
            raise click.UsageError("--scope is THERE=HERE, such as read=projects:read.")
        found[there.strip()] = found.get(there.strip(), frozenset()) | named
    return found


@latchkey.command("import")
@file_argument
@click.option(
    "--from",
    "system",
    type=click.Choice([*importing.READERS]),
    default="latchkey",
    show_default=True,
    help="What wrote FILE.",
)
@click.option(
    "--scope",
    "names",
    multiple=True,
    metavar="THERE=HERE",
    help="What a scope of there is called here; can be given again.",
)
@click.option("--owner", metavar="EMAIL", help="Whose the apps are that have no owner there.")
@click.option("--public-key", type=click.Path(path_type=Path), help="What Passport's tokens are signed with.")
@json_option
def import_(*, file: Path, system: str, names: tuple[str, ...], owner: str | None, public_key: Path | None) -> None:
    """Bring users, apps, authorizations and tokens of FILE in, so that they go on working.

    It can be repeated, and goes on where it was stopped. What is left out is named by the number of its line.
    """
    skipped: list[dict[str, int | str]] = []
    with installation():
        mapping, owned = _mapping(names), user_of(owner) if owner else None
        try:
            key = _read(public_key) if public_key else None
            with file.open("rb") as opened:
                desk = importing.bring(
                    opened,
                    system,
                    names=mapping,
                    owner=owned,
                    public_key=key,
                    tell=lambda line, why: skipped.append({"line": line, "why": why}),
                )
        except BadAlgorithm as error:
            raise Refused(f"{public_key} cannot be used: {error}") from None
        except NoTable as error:
            raise Refused(f"{file} cannot be read: {error}") from None
        except OSError as error:
            raise Refused(f"{error.filename or file} cannot be read: {error.strerror}") from None
        acts.record(ActKind.IMPORTED, "", f"{desk.counts['tokens'].new:,} tokens from {system}")
        db.commit()
    _tell(desk, skipped)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST_KEY)


def _tell(desk: Desk, skipped: list[dict[str, int | str]]) -> None:
    facts = {kind: asdict(counts) for kind, counts in desk.counts.items()}
    text = "\n".join(
        [
            *(f"line {each['line']}: {one_line(str(each['why']))}" for each in skipped),
            *(
                f"{kind:<15}{each['new']:>10,} new{each['known']:>10,} here before{each['skipped']:>10,} left out"
                for kind, each in facts.items()
            ),
            f"{desk.unread:,} lines could not be read; {desk.ended:,} tokens have ended there.",
        ]
    )
    tell(facts | {"unread": desk.unread, "ended": desk.ended, "skipped": skipped}, text)

"""What every command shares: exit codes, `--json`, and the installation that it works on."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, Any, TypeVar

import click
from sqlalchemy.exc import ArgumentError, DBAPIError

from app import create_app
from latchkey import clock, origin, settings, texts
from latchkey.accounts import users
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.users import User
from latchkey.clients import LONGEST_REASON
from latchkey.oversight import policies
from latchkey.scopes import BadCatalogue
from latchkey.settings import SettingError
from latchkey.store import conflicts, migrations
from latchkey.tokens.imported import record as imported

LONGEST_INPUT = 4096
LONGEST_SENTENCE = 400
AS_JSON = "latchkey.as_json"
Command = TypeVar("Command", bound=Callable[..., Any])


def one_line(text: str) -> str:
    """A text of somebody else's, from a file or its name, so that a terminal shows it and does no more."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class Refused(click.ClickException):
    """The request cannot be carried out: one clear line on stderr, exit 1."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """One line, whatever the message holds."""
        click.echo(f"latchkey: {one_line(' '.join(self.message.split()))}", err=True)


class Commands(click.Group):
    """A group whose commands may fail as the domain does."""

    # Groups within a group are such groups, too.
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with its whole first sentence; click would cut it off where the line ends."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(LONGEST_SENTENCE)) for name, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; faults of configuration or database become a refusal."""
        try:
            return super().invoke(ctx)
        except (SettingError, BadCatalogue, QuotaReached) as error:
            raise Refused(str(error)) from None
        except (ArgumentError, ModuleNotFoundError):
            raise Refused(
                "LATCHKEY_DATABASE_URL cannot be used: allowed are sqlite:///<file> and postgresql+psycopg://…"
            ) from None
        except conflicts.GONE:
            raise Refused("what this is about was changed or deleted in this very moment; look again") from None
        except DBAPIError as error:
            raise Refused(f"the database cannot be used: {error.orig}") from None


def _remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        ctx.meta[AS_JSON] = True


def json_option(command: Command) -> Command:
    """Give a command `--json`: one JSON object on stdout and nothing else."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_remember, help="Print one JSON object, nothing else."
    )(command)


def tell(facts: dict[str, Any], text: str) -> None:
    """Print what came out, for people or as JSON."""
    as_json = click.get_current_context().meta.get(AS_JSON, False)
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else text)


def confirmed(question: str) -> Callable[[Command], Command]:
    """Give a command `--yes`, without which it asks; where nobody can be asked, that is wrong usage."""

    def ask(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
        if value or ctx.resilient_parsing:
            return
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask on: say --yes.", ctx)
        click.confirm(question, abort=True, err=True)

    return click.option("--yes", is_flag=True, expose_value=False, callback=ask, help="Do not ask.")


def moment(at: datetime | None) -> str | None:
    """A moment as it is printed: RFC 3339 in UTC, to the second."""
    return clock.rfc3339(at) if at else None


def lines(facts: dict[str, Any]) -> str:
    """What is known of one thing, a line for each fact, for people."""
    shown = {key: " ".join(value) if isinstance(value, list) else value for key, value in facts.items()}
    return "\n".join(f"{key:<18} {value}" for key, value in shown.items() if value not in (None, ""))


def because(reason: str | None) -> None:
    """Say in events and letters that an operator does this, and why. Raises `Refused`."""
    try:
        said = texts.line(reason, LONGEST_REASON) if reason else ""
    except texts.BadText as error:
        raise Refused(f"--reason: {error}") from None
    origin.act(origin.COMMAND_LINE.actor._replace(reason=said))


@click.group(cls=Commands)
@json_option
def latchkey() -> None:
    """Run and look after a Latchkey installation."""


@contextlib.contextmanager
def installation() -> Iterator[None]:
    """The configured installation, with its database at the newest migration, in force for this process."""
    app = create_app(settings.load())
    with app.app_context():
        if not migrations.serves(migrations.revision()):
            raise Refused("the database is not at the newest migration; run: latchkey init")
        policies.refresh()
        imported.refresh()
        yield


def user_of(email: str) -> User:
    """The user of an address. Raises `Refused`."""
    user = users.find_by_email(email) if email.isprintable() else None
    if user is None:
        raise Refused("no user has this address")
    return user


def secret_input(what: str) -> str:
    """One line of standard input, so that nothing secret need stand on a command line. Raises `Refused`."""
    given = sys.stdin.buffer.read(LONGEST_INPUT + 1)
    try:
        line = given.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused(f"the {what} on standard input is not UTF-8") from None
    if not line or len(given) > LONGEST_INPUT or "\n" in line:
        raise Refused(f"standard input must hold the {what} and nothing else")
    return line

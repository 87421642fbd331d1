"""The command as an operator runs it, on this test's installation."""

import json
import os

import pytest
from click.testing import CliRunner, Result

from cli import latchkey
from tests.factories import PASSWORD


class Latchkey:
    """`latchkey("user", "disable", email)`; `.json(…)` expects success and one JSON object on stdout."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, stdin: str | bytes = "", **settings: str) -> Result:
        given = {key: None for key in os.environ if key.startswith("LATCHKEY_")}
        given |= self.environment | {f"LATCHKEY_{key.upper()}": value for key, value in settings.items()}
        return CliRunner().invoke(latchkey, arguments, input=stdin, env=given, prog_name="latchkey")

    def json(self, *arguments: str, stdin: str = "", **settings: str) -> dict:
        result = self(*arguments, "--json", stdin=stdin, **settings)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    def refused(self, *arguments: str, stdin: str | bytes = "", **settings: str) -> str:
        """The one line on stderr of a command that exits 1 and prints nothing else."""
        result = self(*arguments, stdin=stdin, **settings)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("latchkey: ")
        return result.stderr.removeprefix("latchkey: ").strip()


@pytest.fixture
def cli(settings) -> Latchkey:
    return Latchkey(
        {
            "LATCHKEY_INSTANCE": str(settings.instance),
            "LATCHKEY_DATABASE_URL": settings.database_url,
            "LATCHKEY_BASE_URL": settings.base_url,
            "LATCHKEY_MODE": settings.mode,
        }
    )


@pytest.fixture
def create_user(cli):
    """Make an account by the command."""

    def create(email: str = "alice@example.com", *flags: str) -> dict:
        command = ("user", "create", "--email", email, "--name", "Alice", "--password-stdin", *flags)
        return cli.json(*command, stdin=f"{PASSWORD}\n")

    return create

"""The command as a whole: exit codes, `--json`, and faults in one clear line."""

import subprocess
import sys

import pytest

from latchkey.store import migrations
from tests import servers
from tests.factories import PASSWORD


def test_init_makes_a_database_and_is_safe_to_repeat(cli, tmp_path):
    url = f"sqlite:///{tmp_path / 'fresh.db'}"

    first, second = (cli.json("init", database_url=url) for _ in range(2))

    assert first == second == {"database": "sqlite", "revision": migrations.head()}


def test_init_refuses_a_bad_catalogue_before_it_changes_anything(cli, settings, tmp_path):
    (settings.instance / "scopes.toml").write_text('["projects:read"]\ntitle = "x"\n')

    line = cli.refused("init", database_url=f"sqlite:///{tmp_path / 'fresh.db'}")

    assert "projects:read" in line
    assert not (tmp_path / "fresh.db").exists()


@pytest.mark.slow("starts processes")
def test_init_may_run_several_times_at_once(cli, tmp_path):
    environment = cli.environment | {"LATCHKEY_INSTANCE": str(tmp_path / "fresh")}
    del environment["LATCHKEY_DATABASE_URL"]

    processes = [
        subprocess.Popen([servers.LATCHKEY, "init"], env=environment, stdout=subprocess.DEVNULL) for _ in range(4)
    ]

    assert [process.wait(240) for process in processes] == [0, 0, 0, 0]


@pytest.mark.standard("A-04")
def test_commands_want_a_database_at_the_newest_migration(cli, tmp_path):
    url = f"sqlite:///{tmp_path / 'fresh.db'}"

    line = cli.refused("user", "disable", "alice@example.com", database_url=url)

    assert line.endswith("run: latchkey init")


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("group", [(), ("user",), ("client",), ("token",)])
def test_help_says_of_each_command_what_it_does_without_cutting_it_off(cli, group):
    told = cli(*group, "--help").stdout

    assert "..." not in told.partition("Commands:")[2]
    assert ("sealed with a passphrase" in " ".join(told.split())) == (group == ())


def test_json_may_stand_before_the_command_too(cli, alice):
    result = cli("--json", "user", "enable", "alice@example.com")

    assert result.stdout.startswith("{")


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "given, says",
    [
        ({"nope": "1"}, "LATCHKEY_NOPE is not a setting"),
        ({"mail_servr": "x"}, "LATCHKEY_MAIL_SERVR is not a setting, LATCHKEY_MAIL_SERVER is; known are"),
        ({"mode": "staging"}, "development or production"),
        ({"secret_key": "changeme"}, "LATCHKEY_SECRET_KEY"),
        ({"mode": "production", "base_url": "http://portal.example.com"}, "https"),
        ({"database_url": "nonsense"}, "LATCHKEY_DATABASE_URL"),
        ({"database_url": "mysql://root@127.0.0.1/x"}, "LATCHKEY_DATABASE_URL"),
        ({"database_url": "sqlite:////nowhere/x.db"}, "the database cannot be used"),
        ({"database_url": "postgresql+psycopg://u:hunter2@127.0.0.1:1/x"}, "the database cannot be used"),
    ],
)
@pytest.mark.parametrize("command", [("init",), ("mail", "send"), ("serve", "--port", "1")])
def test_a_faulty_configuration_is_one_clear_line(cli, command, given, says):
    if command[0] == "serve":
        command = (*command[:-1], str(servers.free_port()))

    line = cli.refused(*command, **given)

    assert says in line
    assert "hunter2" not in line


def test_a_bad_catalogue_is_one_clear_line(cli, settings):
    (settings.instance / "scopes.toml").write_text("not toml")

    assert "scopes.toml" in cli.refused("mail", "send")


@pytest.mark.parametrize("arguments", [("init",), ("mail", "send")])
def test_bad_resources_stop_every_command_with_one_clear_line(cli, settings, arguments):
    (settings.instance / "resources.toml").write_text("[mcp]")

    assert cli.refused(*arguments) == 'resources.toml: "mcp" is built in and cannot be defined again'


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["user", "create"], ["token", "show", "a", "b"], ["serve", "--port", "0"]]
)
def test_wrong_usage_exits_2(cli, arguments):
    result = cli(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.either_database("about how it was installed")
@pytest.mark.slow("starts processes")
def test_the_installed_script_is_this_command(cli, settings):
    environment = cli.environment | {"PATH": str(servers.LATCHKEY.parent)}
    command = [servers.LATCHKEY, "user", "create", "--email", "a@example.com", "--name", "A", "--password-stdin"]

    first, second = (
        subprocess.run(command, check=False, input=PASSWORD, env=environment, capture_output=True, text=True)
        for _ in range(2)
    )

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (1, "latchkey: another user has this address\n")
    assert sys.executable.startswith(str(servers.LATCHKEY.parent))

"""`latchkey doctor`: one line a check, exit 1 if any fails."""

import json

import pytest
from sqlalchemy import text, update

from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.mail import outbox
from latchkey.store import migrations
from latchkey.store.session import configure, engines
from latchkey.worker import loop
from tests import factories, servers, smtp

NAMES = [
    "configuration", "instance", "proxies", "scopes", "database", "replica", "migrations", "clock", "accounts",
    "activity", "mail", "letters", "upstream", "limits", "kernel", "traces",
]  # fmt: skip


def failing(result) -> dict[str, str]:
    answer = json.loads(result.stdout)
    assert [check["name"] for check in answer["checks"]] == NAMES
    assert answer["ok"] is (result.exit_code == 0)
    return {check["name"]: check["detail"] for check in answer["checks"] if check["ok"] is False}


def not_checked(result) -> list[str]:
    return [check["name"] for check in json.loads(result.stdout)["checks"] if check["ok"] is None]


def test_all_is_well(cli):
    result = cli("doctor")

    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["ok", name] for name in NAMES]
    assert failing(cli("doctor", "--json")) == {}


def test_a_bad_setting_is_the_one_line_that_failed_and_the_rest_is_not_checked(cli):
    told = cli("doctor", "--json", mail_port="many")
    first, *others = cli("doctor", mail_port="many").stdout.splitlines()

    failed = failing(told)
    assert list(failed) == ["configuration"]
    assert failed["configuration"].startswith("LATCHKEY_MAIL_PORT cannot be 'many'")
    assert not_checked(told) == NAMES[1:]
    assert first.split()[:3] == ["FAILED", "configuration", "LATCHKEY_MAIL_PORT"]
    assert [line.split(maxsplit=2) for line in others] == [
        ["-", name, "not checked: it needs configuration"] for name in NAMES[1:]
    ]


def test_a_secret_that_others_can_read_is_told(cli, settings):
    (settings.instance / "secret_key").chmod(0o644)

    assert "secret_key" in failing(cli("doctor", "--json"))["instance"]


@pytest.mark.standard("A-09")
@pytest.mark.parametrize("name", ["config.toml", "latchkey.db", "latchkey.db-wal", "secret_key", "mail"])
def test_what_others_can_read_and_should_not_is_named(cli, settings, name):
    path = settings.instance / name
    path.touch() if name != "mail" else path.mkdir(exist_ok=True)
    path.chmod(0o744)
    database = f"sqlite:///{settings.instance / 'latchkey.db'}"

    told = failing(cli("doctor", "--json", database_url=database))["instance"]

    assert f"others can read {path}: chmod go= it" in told


@pytest.mark.parametrize("name", ["scopes.toml", "resources.toml", "."])
def test_what_others_can_change_is_named(cli, settings, name):
    path = settings.instance / name
    if name != ".":
        path.touch()
    path.chmod(0o777)

    assert f"others can change {path}" in failing(cli("doctor", "--json"))["instance"]


def test_production_without_a_mail_server_and_https_without_proxies_fail(cli):
    failed = failing(cli("doctor", "--json", mode="production", base_url="https://portal.example.com"))

    assert "LATCHKEY_MAIL_SERVER" in failed["mail"]
    assert "LATCHKEY_TRUSTED_PROXIES" in failed["proxies"]


def test_the_store_of_limits_is_asked(cli):
    away = f"redis://127.0.0.1:{servers.free_port()}/0"

    failed = failing(cli("doctor", "--json", api_rate_limit="9/minute", rate_limit_url=away))
    alone = cli("doctor", api_rate_limit="9/minute")

    assert "does not answer" in failed["limits"]
    assert "warning: 9/minute is divided among the worker processes" in alone.stdout


def test_the_kernel_setting_that_replaced_workers_need_is_named(cli):
    assert "net.ipv4.tcp_migrate_req" in cli("doctor").stdout


def test_a_bad_catalogue_is_told(cli, settings):
    (settings.instance / "scopes.toml").write_text('["projects:read"]\ntitle = "x"\n')

    assert "projects:read" in failing(cli("doctor", "--json"))["scopes"]


def test_a_database_that_is_not_there_is_told(cli):
    told = cli("doctor", "--json", database_url="sqlite:////nowhere/latchkey.db")

    assert list(failing(told)) == ["database"]
    assert not_checked(told) == ["replica", "migrations", "clock", "accounts", "activity", "letters"]


def test_an_empty_database_is_told(cli, tmp_path):
    told = cli("doctor", "--json", database_url=f"sqlite:///{tmp_path / 'empty.db'}")

    failed = failing(told)
    assert list(failed) == ["migrations"]
    assert "latchkey init" in failed["migrations"]
    assert "letters" in not_checked(told)


def test_a_mail_server_is_talked_to(cli):
    with smtp.server() as server:
        well = failing(cli("doctor", "--json", mail_server="127.0.0.1", mail_port=str(server.port)))
    dead = failing(cli("doctor", "--json", mail_server="127.0.0.1", mail_port=str(servers.free_port())))

    assert well == {}
    assert "Connection refused" in dead["mail"]


def test_letters_that_wait_for_long_are_told(app, db, cli):
    with app.app_context():
        outbox.post("alice@example.com", "address_taken")
        db.commit()
    assert failing(cli("doctor", "--json")) == {}

    with engines().write.begin() as connection:
        connection.execute(text("UPDATE letter SET created_at = '2026-01-01 00:00:00'"))

    assert "1 waiting" in failing(cli("doctor", "--json"))["letters"]


@pytest.mark.parametrize("mode", ["development", "production"])
def test_it_looks_at_the_installation_that_is_configured(cli, mode):
    assert f"{mode}, http://localhost" in cli("doctor", mode=mode).stdout


@pytest.mark.standard("L-01")
def test_accounts_that_share_an_address_are_named_and_not_merged(cli, db):
    first = factories.make_user("vic@xn--bcher-kva.example")
    second = factories.make_user("someone@example.com")
    second.email, second.email_key = first.email, "vic@b\u00fccher.example"
    db.commit()

    told = failing(cli("doctor", "--json"))["accounts"]

    assert f"{second.id} (vic@bücher.example)" in told
    assert first.id not in told


@pytest.mark.standard("P-03")
def test_the_first_event_that_was_changed_behind_its_back_is_named(cli, db, alice):
    made = [activity.record(alice, EventKind.SIGNED_IN).id for _ in range(3)]
    db.commit()
    loop.close_chain()
    whole = cli("doctor").stdout

    with engines().write.begin() as connection:
        connection.execute(update(Event).where(Event.id.in_(made[1:])).values(address="198.51.100.1"))

    assert "the chain is whole: 3 entries" in whole
    assert failing(cli("doctor", "--json"))["activity"].startswith(f"the chain is broken: {made[1]} of 20")


@pytest.fixture
def stands_at(cli):
    """Say that the database is at a migration."""

    def stand(revision):
        configure(cli.environment["LATCHKEY_DATABASE_URL"])
        with engines().write.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})

    yield stand
    stand(migrations.head())


@pytest.mark.parametrize("revision, ready, init", [("0999", True, 0), ("1000", False, 1), ("0001", False, None)])
def test_a_database_of_a_later_version_is_told_by_doctor_and_commands(cli, stands_at, revision, ready, init):
    """While processes are exchanged one after the other, the version before meets what the new one made."""
    stands_at(revision)

    checks = {check["name"]: check for check in json.loads(cli("doctor", "--json").stdout)["checks"]}
    assert checks["migrations"]["ok"] is ready
    assert revision in checks["migrations"]["detail"]
    if init is not None:
        assert cli("init").exit_code == init
        assert cli("user", "list").exit_code == init

"""The migrations, from nothing to the schema that the records describe."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

import app  # noqa: F401 - brings every record into the metadata
from latchkey import clients, grants, settings, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Cause
from latchkey.clients.origins import ClientOrigin
from latchkey.grants import Grant
from latchkey.journal import activity, chain
from latchkey.journal.activity import EventKind
from latchkey.journal.links import Link
from latchkey.settings import ROOT
from latchkey.store import migrations
from latchkey.store import session as db
from latchkey.store.drivers import sqlite
from latchkey.tokens import Renewal, Token, lineage
from latchkey.worker import loop
from tests import factories
from tests.crowd import at_once

pytestmark = pytest.mark.slow("runs every migration again and again")


@pytest.fixture
def connected(empty_database: str, tmp_path: Path):
    settings.use(settings.load({}, instance=tmp_path, database_url=empty_database))
    db.configure(empty_database)
    yield
    db.dispose()


def test_the_migrations_make_exactly_what_the_records_describe(connected):
    migrations.upgrade()

    with db.engines().write.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": migrations.described})
        difference = compare_metadata(context, db.Base.metadata)

    assert difference == []
    assert migrations.revision() == migrations.head()


def test_an_empty_database_has_no_revision(connected):
    assert migrations.revision() is None


def test_migrating_again_changes_nothing(connected):
    migrations.upgrade()
    before = inspect(db.engines().write).get_table_names()

    migrations.upgrade()

    assert inspect(db.engines().write).get_table_names() == before


def test_two_processes_may_migrate_at_once(connected):
    at_once(*[migrations.upgrade] * 4)

    assert migrations.revision() == migrations.head()


def test_who_comes_second_waits_as_long_as_a_migration_takes(connected, monkeypatch):
    """However little others wait for whoever writes."""
    if not db.engines().embedded:
        pytest.skip("about SQLite alone: PostgreSQL waits without end")
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(migrations, "MIGRATING_SECONDS", 60)
    first = create_engine(db.engines().write.url)
    with ThreadPoolExecutor() as pool, first.connect() as migrating:
        migrating.exec_driver_sql("PRAGMA journal_mode=WAL")
        migrating.exec_driver_sql("CREATE TABLE large (a int)")
        migrating.commit()
        migrating.exec_driver_sql("INSERT INTO large VALUES (1)")
        second = pool.submit(migrations.upgrade)
        assert wait([second], timeout=0.3).done == set()
        migrating.exec_driver_sql("DROP TABLE large")
        migrating.commit()
        second.result(60)
    first.dispose()

    assert migrations.revision() == migrations.head()


KILLED = """
import os
from sqlalchemy import event
from latchkey import settings
from latchkey.store import migrations
from latchkey.store import session as db
settings.use(settings.load())
db.configure(settings.current().database_url)
steps = []
def note(connection, cursor, statement, *rest):
    if statement.startswith("UPDATE alembic_version"):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), 9)
event.listen(db.engines().write, "after_cursor_execute", note)
migrations.upgrade()
"""


@pytest.mark.standard("E-14")
@pytest.mark.slow("starts a process to kill it")
def test_killed_in_the_middle_nothing_is_changed_and_the_next_try_goes_through(connected, empty_database, tmp_path):
    migrations.upgrade()
    plaintext = factories.make_token(factories.make_user("ada@example.com")).plaintext
    db.db.commit()
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0025")
    before = set(inspect(db.engines().write).get_table_names())
    db.dispose()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
    given = {
        "LATCHKEY_INSTANCE": str(tmp_path),
        "LATCHKEY_DATABASE_URL": empty_database,
        "LATCHKEY_MODE": "development",
    }

    ran = subprocess.run([sys.executable, "-c", KILLED], env=clean | given, cwd=ROOT, check=False)

    assert ran.returncode == -signal.SIGKILL
    db.configure(empty_database)
    assert migrations.revision() == "0025"
    assert set(inspect(db.engines().write).get_table_names()) == before
    migrations.upgrade()
    assert migrations.revision() == migrations.head()
    assert tokens.find(plaintext).status == "active"


def test_tokens_that_are_there_come_through_a_migration_and_back(connected):
    migrations.upgrade()
    alice = factories.make_user("alice@example.com")
    minted = factories.make_token(alice)
    db.db.remove()
    before = indexes()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0001")
    assert "ix_token_unrevoked_expires_at" in indexes()
    migrations.upgrade()

    assert indexes() == before
    assert db.db.scalar(select(func.count()).select_from(Token)) == 1
    assert db.db.get(Token, minted.token.id).description == minted.token.description


def indexes() -> set[str]:
    return {str(index["name"]) for index in inspect(db.engines().write).get_indexes("token")}


def emails() -> dict[str, tuple[str, bool]]:
    """By the key of each user: the address, and whether it is proved."""
    with db.engines().write.connect() as connection:
        rows = connection.execute(text('SELECT email_key, email, email_verified_at FROM "user"')).all()
    return {key: (email, at is not None) for key, email, at in rows}


@pytest.mark.standard("L-08")
def test_domains_become_ascii_and_accounts_that_fall_together_stay_two(connected):
    """The version before kept domains as people write them, and compared them without case: ß as ss."""
    migrations.upgrade()
    old = {
        "ada@example.com": "Ada@example.com",
        "vic@strasse.example": "vic@straße.example",
        "eva@bücher.example": "eva@bücher.example",
        "eva@xn--bcher-kva.example": "eva@xn--bcher-kva.example",
        "ida@bücher.example": "ida@bücher.example",
    }
    for number, email in enumerate(old.values()):
        factories.make_user(f"u{number}@example.com", name=email)
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0003")
        for key, email in old.items():
            change = text('UPDATE "user" SET email = :email, email_key = :key WHERE name = :email')
            connection.execute(change, {"email": email, "key": key})
    db.db.remove()

    migrations.upgrade()

    assert emails() == {
        "ada@example.com": ("Ada@example.com", True),
        # Its letters went to strasse.example.
        "vic@xn--strae-oqa.example": ("vic@xn--strae-oqa.example", False),
        "eva@xn--bcher-kva.example": ("eva@xn--bcher-kva.example", True),
        "eva@bücher.example": ("eva@xn--bcher-kva.example", True),
        "ida@xn--bcher-kva.example": ("ida@xn--bcher-kva.example", True),
    }
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0003")
    assert emails()["ida@bücher.example"] == ("ida@bücher.example", True)
    assert emails()["vic@strasse.example"] == ("vic@straße.example", False)
    assert len(emails()) == 5


@pytest.mark.standard("D-14")
def test_origins_of_apps_that_are_there_are_found_after_the_migration(connected):
    migrations.upgrade()
    uris = ["https://spa.example:8443/cb?x=1", "https://spa.example/cb", "http://[::1]:3000/", "com.example.app:/cb"]
    factories.make_client(factories.make_user(), confidential=False, redirect_uris=uris)
    db.db.commit()
    found = select(ClientOrigin.origin).order_by(ClientOrigin.origin)
    before = list(db.db.scalars(found))
    db.db.remove()
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0004")

    migrations.upgrade()

    assert list(db.db.scalars(found)) == before == ["http://[::1]", "https://spa.example", "https://spa.example:8443"]


def test_apps_that_are_there_are_no_resource_servers_after_the_migration(connected):
    migrations.upgrade()
    made = factories.make_client(factories.make_user("bob@example.com")).client
    db.db.remove()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0006")
    migrations.upgrade()

    assert clients.find(made.id).resource_server is False


@pytest.mark.standard("H-10")
def test_what_was_for_one_api_is_not_for_the_only_one_after_going_back(connected):
    migrations.upgrade()
    alice = factories.make_user()
    client = factories.make_client(factories.make_user("bob@example.com")).client
    kept = [grants.allow(alice, client, ["account:read"]).id, grants.allow(alice, client, ["account:read"], "mcp").id]
    db.db.commit()
    db.db.remove()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0012")
    migrations.upgrade()

    assert list(db.db.scalars(select(Grant.id))) == kept[:1]


@pytest.mark.standard("K-02")
def test_nobody_counts_as_asked_about_an_app_that_is_trusted_already(connected):
    migrations.upgrade()
    alice, bob = factories.make_user(), factories.make_user("bob@example.com")
    trusted, other = (factories.make_client(bob, name=name).client for name in ("Trusted", "Other"))
    trusted.trusted = True
    for client in (trusted, other):
        grants.allow(alice, client, {"account:read"})
    db.db.commit()
    db.db.remove()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0038")
    migrations.upgrade()

    agreed = [
        grants.find_authorization(users.find(alice.id), clients.find(each.id)).agreed for each in (trusted, other)
    ]
    assert agreed == [frozenset(), {"account:read"}]


@pytest.mark.standard("I-06", "I-08")
def test_apps_of_suspended_users_are_suspended_and_chains_that_are_too_deep_end(connected, monkeypatch):
    migrations.upgrade()
    alice, bob = factories.make_user(), factories.make_user("bob@example.com")
    his, stopped = factories.make_client(bob).client, factories.make_client(alice, name="Stopped").client
    chain = [factories.make_token(alice, description="Generation 0", lifetime=None)]
    monkeypatch.setattr(lineage, "DEEPEST", 99)
    for number in range(1, 8):
        above = chain[-1].token
        made = factories.make_token(alice, description=f"Generation {number}", lifetime=None, parent=above)
        chain.append(made)
    users.disable(bob)
    db.db.commit()
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0007")
        connection.execute(text("UPDATE client SET suspended_at = created_at WHERE id = :id"), {"id": stopped.id})
    db.db.remove()

    migrations.upgrade()

    assert clients.causes(clients.find(his.id)) == {Cause.OWNER}
    assert clients.find(his.id).suspended_at is not None
    assert clients.causes(clients.find(stopped.id)) == {Cause.ADMINISTRATOR}
    statuses = [db.db.get(Token, minted.token.id).status for minted in chain]
    assert statuses == ["active"] * 6 + ["revoked"] * 2


@pytest.mark.standard("P-03")
def test_events_from_before_the_chain_are_closed_by_it_and_it_can_be_taken_back(connected):
    migrations.upgrade()
    alice = factories.make_user()
    made = [activity.record(alice, EventKind.SIGNED_IN, number=number).id for number in range(3)]
    db.db.commit()
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0013")
    db.db.remove()

    migrations.upgrade()
    loop.close_chain()

    assert list(db.db.scalars(select(Link.event_id).order_by(Link.seq))) == made
    assert chain.check() == chain.Verdict(3, 0, None)


def test_tokens_that_are_there_keep_their_length_and_their_former_string(connected):
    migrations.upgrade()
    alice = factories.make_user()
    token = factories.make_token(alice, lifetime=timedelta(days=30)).token
    endless = factories.make_token(alice, description="Endless", lifetime=None).token
    tokens.regenerate(token)
    tokens.regenerate(token, Renewal(keep=timedelta(days=1)))
    db.db.commit()
    kept = token.replaces_id
    db.db.remove()
    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0014")
        # To what comes before, a former string that still works would be one that nobody sees.
        live = "SELECT count(*) FROM token WHERE successor_id IS NOT NULL AND revoked_at IS NULL"
        assert connection.execute(text(live)).scalar() == 0

    migrations.upgrade()

    found = db.db.get(Token, token.id)
    assert (found.replaces_id, found.replaces) == (kept, None)
    assert abs(found.term_seconds - 30 * 86_400) <= 60
    assert db.db.get(Token, endless.id).term_seconds is None
    assert db.db.get(User, alice.id).reminders is True


@pytest.mark.standard("J-07")
def test_apps_of_nobody_go_when_their_migration_is_taken_back_and_all_others_stay(connected):
    migrations.upgrade()
    alice = factories.make_user()
    client, secret = factories.make_client(alice)
    grant = grants.allow(alice, client, ["account:read"]).id
    nobodys = clients.add(clients.Said("Fieldnotes", "", [factories.CALLBACK], "account:read")).id
    db.db.commit()
    db.db.remove()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0022")
    with pytest.raises(IntegrityError), db.engines().write.begin() as connection:
        connection.execute(text("UPDATE client SET owner_id = NULL"))
    migrations.upgrade()

    assert clients.find(nobodys) is None
    assert factories.find_secret(clients.find(client.id), secret) is not None
    assert db.db.get(Grant, grant).live


@pytest.mark.standard("J-10")
def test_apps_of_documents_go_when_their_migration_is_taken_back_and_all_others_stay(connected):
    migrations.upgrade()
    alice = factories.make_user()
    kept = factories.make_client(alice).client.id
    said = clients.Said("Fieldnotes", "", [factories.CALLBACK], "account:read")
    nobodys = clients.add(said).id
    described = clients.add(said, document_url="https://app.example.com/client.json").id
    grants.allow(alice, clients.find(described), ["account:read"], redirect_uri=factories.CALLBACK)
    db.db.commit()
    db.db.remove()

    with db.engines().write.begin() as connection:
        command.downgrade(migrations._config(connection), "0024")
    migrations.upgrade()

    assert clients.find(described) is None
    assert {clients.find(one).id for one in (kept, nobodys)} == {kept, nobodys}


# From here on migrations only add: what the version before writes has to go in, and what it reads has to be there.
SINCE = "0025"


def facts(revision: str) -> dict[str, dict[str, tuple[str, bool, bool]]]:
    """Each table's columns at a revision: type, whether it may be left out, whether it may be empty."""
    with db.engines().write.begin() as connection:
        migrations.bring_up(connection, revision)
    looked = inspect(db.engines().write)
    return {
        table: {
            column["name"]: (
                str(column["type"]),
                bool(column["nullable"] or column["default"] is not None),
                bool(column["nullable"]),
            )
            for column in looked.get_columns(table)
        }
        for table in looked.get_table_names()
    }


def rules(table: str) -> set[tuple[str, ...]]:
    """What rows of a table must not have twice."""
    looked = inspect(db.engines().write)
    unique = [*looked.get_unique_constraints(table), *(each for each in looked.get_indexes(table) if each["unique"])]
    return {tuple(each["column_names"]) for each in unique}


def test_the_version_before_can_live_with_what_later_migrations_made(connected):
    before = facts(SINCE)
    unique = {table: rules(table) for table in before}

    after = facts("head")

    for table, columns in before.items():
        there = after[table]
        for name, (kind, _, empty) in columns.items():
            assert there[name][0] == kind, f"{table}.{name} is another kind of column"
            assert there[name][2] or not empty, f"{table}.{name} may not be empty any more"
        for name in there.keys() - columns.keys():
            assert there[name][1], f"{table}.{name} has no default, and the version before does not name it"
        new = rules(table) - unique[table]
        assert all(set(each) & (there.keys() - columns.keys()) for each in new), f"{table} has stricter rules: {new}"


def test_migrations_are_numbered_in_their_order():
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))

    steps = list(ScriptDirectory.from_config(config).walk_revisions())

    assert [step.revision for step in steps] == list(reversed(migrations._known()))
    assert migrations.head() == steps[0].revision


@pytest.mark.parametrize(
    "stands, works",
    [(None, False), ("", False), ("0001", False), ("0999", True), ("1000", False), ("9", False), ("abcd", False)],
)
def test_a_database_that_is_ahead_within_the_series_is_served(stands, works):
    assert migrations.serves(stands) is works
    assert migrations.serves(migrations.head())

"""The migrations, from nothing to the schema that the records describe."""

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, inspect, select

import app  # noqa: F401 - brings every record into the metadata
from latchkey import db, migrations, settings
from latchkey.tokens import Token
from tests import factories


@pytest.fixture
def connected(empty_database: str, tmp_path: Path):
    settings.use(settings.load({}, instance=tmp_path, database_url=empty_database))
    db.configure(empty_database)
    yield
    db.dispose()


def test_the_migrations_make_exactly_what_the_records_describe(connected):
    migrations.upgrade()

    with db.engines().write.connect() as connection:
        context = MigrationContext.configure(connection)
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
    failures = []
    together = threading.Barrier(4)

    def migrate():
        together.wait()
        try:
            migrations.upgrade()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert migrations.revision() == migrations.head()


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

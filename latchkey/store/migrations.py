"""The schema of the database this process is connected to: bringing it up to date, and asking whether it is."""

from functools import cache
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from latchkey import settings
from latchkey.store.session import engines

# One number for all processes that migrate the same PostgreSQL database.
LOCK = 4_205_116_372


def _config(connection: Any = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(settings.ROOT / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade() -> None:
    """Create or migrate the schema in one transaction; safe to repeat and to run twice at once."""
    with engines().write.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.upgrade(_config(connection), "head")


@cache
def head() -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def revision() -> str | None:
    """The revision at which the database stands; None when it is empty."""
    with engines().read.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()

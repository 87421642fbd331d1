"""Proposes the next migration: what the records have that the migrations so far do not make."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config

from latchkey import settings
from latchkey.store import migrations
from latchkey.store import session as db


def propose(message: str) -> None:
    """Write a file into migrations/versions, to be read and corrected by a human."""
    with TemporaryDirectory() as scratch:
        settings.use(settings.load({}, instance=Path(scratch)))
        db.configure(settings.current().database_url)
        if migrations.head():
            migrations.upgrade()
        with db.engines().write.connect() as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(settings.ROOT / "migrations"))
            number = len(list((settings.ROOT / "migrations" / "versions").glob("*.py"))) + 1
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
        db.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('Say what changes: make migration m="remember the last address"')
    propose(sys.argv[1])

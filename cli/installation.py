"""`latchkey init`: an installation that can serve."""

from cli.base import json_option, latchkey, tell
from latchkey import settings
from latchkey.naming import presets
from latchkey.store import migrations
from latchkey.store import session as db


def prepare() -> str:
    """Create or migrate the database of this process's settings; the revision at which it stands then."""
    ours = settings.load()
    settings.use(ours)
    # A mistake there is told before anything is changed.
    presets.load_catalogue(ours.instance)
    db.configure(ours.database_url)
    if migrations.revision() != migrations.head():
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

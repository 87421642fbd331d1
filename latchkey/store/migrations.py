"""The schema of the database this process is connected to: bringing it up to date, and asking whether it is."""

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Index, inspect, text

from latchkey import settings
from latchkey.loading import Late
from latchkey.store import postgres
from latchkey.store.drivers import sqlite
from latchkey.store.session import engines

if TYPE_CHECKING:
    from alembic import command, config
else:
    command, config = Late("alembic.command"), Late("alembic.config")

# One number for all processes that migrate the same PostgreSQL database.
LOCK = 4_205_116_372
# Whoever migrates a large database may take minutes; who comes second waits for them.
MIGRATING_SECONDS = 600
BOOKKEEPING = "alembic_version"
IN_USE = "is in use: stop every server of it first"


class NotEmpty(Exception):
    """A database that should be empty holds something; the text says what."""


def _config(connection: Connection) -> "config.Config":
    made = config.Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(settings.ROOT / "migrations"))
    return made


def described(item: object, *_more: object) -> bool:
    """Whether the database should have what the records describe: not the index that is only in another one."""
    return not isinstance(item, Index) or item.info.get("only") in (None, engines().write.dialect.name)


def upgrade() -> None:
    """Create or migrate the schema in one transaction; safe to repeat and to run twice at once."""
    with engines().write.connect() as connection, _waiting(connection), connection.begin():
        _alone(connection)
        bring_up(connection)


def bring_up(connection: Connection, revision: str = "head") -> None:
    """Bring what a transaction sees up to a revision."""
    command.upgrade(_config(connection), revision)


def _waiting(connection: Connection) -> contextlib.AbstractContextManager[None]:
    """Let SQLite wait for whoever else migrates; PostgreSQL does so by itself."""
    if not engines().embedded:
        return contextlib.nullcontext()
    return sqlite.patience(connection.connection.dbapi_connection, MIGRATING_SECONDS)


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


@contextlib.contextmanager
def filling(wanted: str) -> Iterator[Connection]:
    """A transaction on an empty database, with the schema of a known revision, for rows. Raises `NotEmpty`.

    Until its end nobody else writes there; unless it comes to its end, the database is as it was.
    """
    file = engines().write.url.database
    if engines().embedded and file and sqlite.is_shared(file):
        raise NotEmpty(IN_USE)
    with engines().write.begin() as connection:
        _alone(connection)
        if not engines().embedded:
            _want_ours(connection)
        _want_empty(connection)
        order, now = ["", *_known()], stands(connection) or ""
        if now not in order:
            raise NotEmpty("is at a migration that this version does not know")
        if order.index(now) > order.index(wanted):
            command.downgrade(_config(connection), wanted)
        bring_up(connection, wanted)
        yield connection


def _want_ours(connection: Connection) -> None:
    if (owner := postgres.others_own(connection)) is not None:
        raise NotEmpty(f"belongs to the role {owner}: name that one in LATCHKEY_DATABASE_URL, as the server does")
    if postgres.is_shared(connection):
        raise NotEmpty(IN_USE)


def _want_empty(connection: Connection) -> None:
    tables = [name for name in inspect(connection).get_table_names() if name != BOOKKEEPING]
    named = {name: connection.dialect.identifier_preparer.quote(name) for name in tables}
    if tables and connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {', '.join(named.values())} IN ACCESS EXCLUSIVE MODE"))
    for name, quoted in named.items():
        if connection.execute(text(f"SELECT 1 FROM {quoted} LIMIT 1")).first() is not None:  # noqa: S608 - names of tables, quoted
            raise NotEmpty(f"has rows in {name}")


@cache
def _known() -> list[str]:
    """Every revision of this code, the first one first: files are named by it, in their order."""
    return sorted(path.name.partition("_")[0] for path in (settings.ROOT / "migrations" / "versions").glob("*.py"))


def head() -> str | None:
    """The revision that this code expects."""
    return _known()[-1] if _known() else None


def knows(wanted: str) -> bool:
    """Whether this code has a revision, and so can bring up what stands at it."""
    return wanted in _known()


def serves(stands_at: str | None) -> bool:
    """Whether this code works with a database that stands there: where it expects, or ahead of it within its series.

    Revisions of one thousand only add, so that the version before works on while processes are exchanged; what it could
    not live with begins the next thousand.
    """
    expected = head() or ""
    ahead = stands_at is not None and len(stands_at) == len(expected) and stands_at[:1] == expected[:1]
    return stands_at == expected or (ahead and (stands_at or "") > expected)


def revision() -> str | None:
    """The revision at which the database stands; None when it is empty."""
    with engines().read.connect() as connection:
        return stands(connection)


def stands(connection: Connection) -> str | None:
    """The revision that a transaction sees."""
    if not inspect(connection).has_table(BOOKKEEPING):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {BOOKKEEPING}"))  # noqa: S608 - a name of ours
    return found

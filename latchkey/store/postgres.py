"""How PostgreSQL is reached: by itself, through a pooler that hands each transaction on, or as one of several hosts."""

import select
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Dialect, Engine, ExceptionContext, event, text
from sqlalchemy.exc import DisconnectionError

from latchkey import turns
from latchkey.loading import Late, loaded

if TYPE_CHECKING:
    import psycopg
else:
    psycopg = Late("psycopg")

# Of several hosts the engines need the primary, also the reading engine, although that refuses writes itself.
PRIMARY = {"target_session_attrs": "primary"}
# Set for every connection, whatever the database is configured to: the driver parses timestamps in ISO style only.
MOMENTS = "-c timezone=UTC -c datestyle=ISO"
READ_ONLY = "-c default_transaction_read_only=on"
# A replica that does not answer must not delay calls: the primary is asked instead.
REPLICA_SECONDS = 2
# How many times another connection must be seen before it counts as one.
LOOKS, PAUSE_SECONDS = 10, 0.1
# Its result would be of another type than when it was prepared (feature not supported); there is no such statement; and
# it takes no writes, as what has become a standby.
OUTDATED = frozenset({"0A000", "26000", "25006"})
# Firewalls and NAT may silently drop a connection that is idle for longer.
QUIET_SECONDS = 30
# Where the URL says nothing: a host that is gone without a word is given up, where the system's own defaults take a
# quarter of an hour, or two.
GIVING_UP = {
    "connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip


def faults() -> tuple[type[Exception], ...]:
    """The exceptions of the driver."""
    return (psycopg.Error,) if loaded("psycopg") else ()


def absences() -> tuple[type[Exception], ...]:
    """The exceptions of the driver while the database cannot be reached."""
    if not loaded("psycopg"):
        return ()
    return (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


def state(fault: object) -> str | None:
    """The SQLSTATE of an error; None if it is not one of PostgreSQL's."""
    return fault.sqlstate if loaded("psycopg") and isinstance(fault, psycopg.Error) else None


def outdated(fault: object) -> bool:
    """Whether a connection goes on failing where a new one need not.

    What it has prepared does not fit a changed table, or is not there any more; or its server takes no writes now.
    """
    return state(fault) in OUTDATED


def arguments(url: URL, *, reading: bool) -> dict[str, Any]:
    """The arguments for opening a connection."""
    named = url.query.get("host")
    several = isinstance(named, tuple) or "," in (url.host or named or "")
    chosen = PRIMARY if several or "target_session_attrs" in url.query else {}
    return {"options": f"{MOMENTS} {READ_ONLY}" if reading else MOMENTS, **chosen, **_giving_up(url)}


def _giving_up(url: URL) -> dict[str, Any]:
    """Timeouts after which a silent host is given up, except those that the URL sets."""
    return {name: value for name, value in GIVING_UP.items() if name not in url.query}


def of_replica(url: URL) -> dict[str, Any]:
    """The arguments for a replica, with shorter timeouts, since the primary can be asked instead."""
    limit = f"-c statement_timeout={REPLICA_SECONDS}s"
    return _giving_up(url) | {"options": f"{MOMENTS} {READ_ONLY} {limit}", "connect_timeout": REPLICA_SECONDS}


def opener(url: URL, arguments: dict[str, Any]) -> Callable[[], Any]:
    """A function that opens a connection, also through a pooler."""
    given, named = url.get_dialect()().create_connect_args(url)
    asked = {**named, **arguments}
    bare = {name: each for name, each in asked.items() if name != "options"}
    refuses = threading.Event()

    def connect() -> Any:
        if not refuses.is_set():
            try:
                return psycopg.connect(*given, **asked)
            except psycopg.OperationalError as error:
                # PgBouncer refuses `options`, since others use the connection after us.
                if "startup parameter" not in str(error):
                    raise
                refuses.set()
        return psycopg.connect(*given, **bare)

    return connect


def is_shared(connection: Connection) -> bool:
    """Whether somebody else is connected to the database as the same role, as a server would be."""
    others = """
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
        AND backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1
    """
    for _ in range(LOOKS):
        if connection.execute(text(others)).first() is None:
            return False
        # The connection of somebody who was killed goes away in a moment; else a transaction sees what it saw first.
        time.sleep(PAUSE_SECONDS)
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    return True


def others_own(connection: Connection) -> str | None:
    """Another role whose tables stand where ours would: as this one they are not to be locked, or not to be changed."""
    owned = """
        SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tableowner <> current_user LIMIT 1
    """
    found: str | None = connection.scalar(text(owned))
    return found


def settle(engine: Engine) -> None:
    """Let each new connection of an engine find out whether a pooler is between."""

    @event.listens_for(engine, "connect")
    def look(connection: Any, _record: Any) -> None:
        [backend] = connection.execute("SELECT pg_backend_pid()").fetchone()
        if backend != connection.info.backend_pid:
            # A statement that was prepared is not there where the next one goes. Zone and style are: poolers keep them.
            connection.prepare_threshold = None
            connection.execute("SET TIME ZONE 'UTC'")
            connection.execute("SET DateStyle TO ISO")
        if not connection.autocommit:
            connection.commit()


def silent(connection: Any) -> bool:
    """Whether nothing came while nobody asked: a server says so that it ends a connection, as when it restarts."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def replace_dead(engine: Engine) -> None:
    """Have an engine lend no connection that the server has ended. To ask would take a way there and back each time."""

    @event.listens_for(engine, "checkin")
    def came_back(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _lent: Any) -> None:
        used_at = record.info.get("used_at")
        if used_at is None:
            return
        quiet = time.monotonic() - used_at > QUIET_SECONDS
        if not silent(connection) or (quiet and not _answers(engine.dialect, connection)):
            raise DisconnectionError


def drop_outdated(engine: Engine) -> None:
    """Have an engine give up connections that would go on failing, as after an upgrade beside it."""

    @event.listens_for(engine, "handle_error")
    def told(context: ExceptionContext) -> None:
        context.is_disconnect = context.is_disconnect or outdated(context.original_exception)


def _answers(dialect: Dialect, connection: Any) -> bool:
    try:
        return dialect.do_ping(connection)
    except psycopg.Error:
        return False


def give_way(engine: Engine) -> None:
    """Let others run while an engine that reads waits for the server."""

    @event.listens_for(engine, "do_execute")
    def ask(cursor: Any, statement: str, parameters: Any, _context: Any) -> bool:
        with turns.reading():
            cursor.execute(statement, parameters)
        return True

"""Is everything as it should be: what `latchkey doctor` says line by line, and the overview of `/admin` names."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from latchkey import clock, scopes, settings
from latchkey.accounts.users import FALLEN_TOGETHER, User
from latchkey.journal import chain
from latchkey.mail import outbox
from latchkey.oversight import surroundings
from latchkey.oversight.surroundings import Wrong
from latchkey.store import migrations
from latchkey.store import session as db
from latchkey.store.session import db as session

STUCK = timedelta(hours=1)
SKEW = timedelta(seconds=5)
# The most delay of a replica: a revoked token works there until its end has arrived.
LATE = timedelta(seconds=10)


class Result(NamedTuple):
    """What one check found, for one line; `ok` is None for what was not checked, because what it needs failed."""

    name: str
    ok: bool | None
    detail: str


def instance() -> str:
    """Whether the folder is ours to write, and nobody else's. Raises `Wrong`."""
    folder = settings.current().instance
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Wrong(f"{folder} cannot be written by this user")
    surroundings.modes()
    return str(folder)


def database() -> str:
    """Whether it answers, and which it is."""
    with db.engines().read.connect() as connection:
        connection.execute(text("SELECT 1"))
    return db.engines().read.dialect.name


def replica() -> str:
    """How far the replica is behind, if bearer tokens are looked up in one. Raises `Wrong`."""
    engine = db.engines().replica
    if engine is None:
        return "none: every end takes effect with the next call"
    asked = text(
        "SELECT pg_is_in_recovery(), CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0"
        " ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END"
    )
    with engine.connect() as connection:
        standby, seconds = connection.execute(asked).one()
    if not standby:
        raise Wrong("LATCHKEY_DATABASE_READ_URL names no replica: it takes writes itself")
    late = float(seconds or 0)
    if late > LATE.total_seconds():
        raise Wrong(f"the replica is {late:.0f} s behind: tokens that were ended since still work")
    return f"{late:.1f} s behind: so long an ended token still works"


def schema() -> str:
    """Whether the database is what this code expects. Raises `Wrong`."""
    stands, expected = migrations.revision(), migrations.head()
    if not migrations.serves(stands):
        newer = stands is not None and not migrations.knows(stands)
        todo = "upgrade Latchkey, or restore the backup of this version" if newer else "run: latchkey init"
        raise Wrong(f"at {stands or 'none'} instead of {expected}; {todo}")
    ahead = f", ahead of this version's {expected}, which can live with it" if stands != expected else ""
    return f"at {stands}{ahead}"


def clocks() -> str:
    """Whether the database and this host agree on the time. Raises `Wrong`."""
    sqlite = db.engines().read.dialect.name == "sqlite"
    question = "SELECT strftime('%s', 'now')" if sqlite else "SELECT extract(epoch FROM clock_timestamp())"
    with db.engines().read.connect() as connection:
        theirs = datetime.fromtimestamp(float(connection.execute(text(question)).scalar_one()), UTC)
    difference = abs(clock.now() - theirs)
    if difference > SKEW:
        raise Wrong(f"the database's clock is {difference.total_seconds():.0f} s away from ours")
    return f"{clock.now():%Y-%m-%d %H:%M:%S} UTC"


def fallen_together() -> list[User]:
    """Accounts whose address is another one's too, since domains are kept in one spelling; nobody merges them."""
    return list(session.scalars(select(User).where(text(FALLEN_TOGETHER)).order_by(User.id)))


def accounts() -> str:
    """Whether each has a mailbox of its own. Raises `Wrong`."""
    if doubled := fallen_together():
        named = ", ".join(f"{user.id} ({user.email_key})" for user in doubled)
        raise Wrong(f"their mail goes to another account's address as well: {named}; change the address or delete one")
    return "each has an address of its own"


def letters() -> str:
    """Whether they leave. Raises `Wrong`."""
    stand = outbox.standing()
    counts = f"{stand.waiting} waiting, {stand.given_up} given up in the last {outbox.KEPT.days} days"
    if stand.oldest_at is not None and clock.now() - stand.oldest_at > STUCK:
        raise Wrong(f"{counts}, the oldest since {stand.oldest_at:%Y-%m-%d %H:%M} UTC; last trouble: {stand.trouble}")
    return counts


def activity() -> str:
    """Whether every entry is as it was written; reads all of them. Raises `Wrong`."""
    verdict = chain.check()
    if verdict.broken is not None:
        at = f" of {verdict.broken.at:%Y-%m-%d %H:%M:%S} UTC" if verdict.broken.at else ""
        named = verdict.broken.event_id or f"entry {verdict.broken.seq}"
        raise Wrong(
            f"the chain is broken: {named}{at} {verdict.broken.why}; what stands after it may have been changed"
        )
    waiting = f", {verdict.waiting:,} are not closed yet" if verdict.waiting else ""
    return f"the chain is whole: {verdict.entries:,} entries{waiting}"


# The checks that a page can wait for: without reading the whole chain, and without asking the mail server.
QUICK: Mapping[str, Callable[[], str]] = {
    "instance": instance,
    "proxies": surroundings.proxies,
    "database": database,
    "replica": replica,
    "migrations": schema,
    "clock": clocks,
    "accounts": accounts,
    "limits": surroundings.limits,
    "kernel": surroundings.kernel,
}
# The checks that others need: without the first nothing can be checked, without the second nothing in the database.
NEEDS = {
    "replica": "database",
    "migrations": "database",
    "clock": "database",
    "accounts": "migrations",
    "activity": "migrations",
    "letters": "migrations",
}


def examine(checks: Mapping[str, Callable[[], str]]) -> Iterator[Result]:
    """Each check in its order; what needs one that failed is not checked, so that one fault is one line."""
    failed: set[str] = set()
    for name, check in checks.items():
        needed = "configuration" if "configuration" in failed else NEEDS.get(name)
        if needed in failed:
            failed.add(name)
            yield Result(name, ok=None, detail=f"not checked: it needs {needed}")
            continue
        try:
            yield Result(name, ok=True, detail=check())
        except (Wrong, settings.SettingError, scopes.BadCatalogue) as error:
            failed.add(name)
            yield Result(name, ok=False, detail=str(error))
        except (DBAPIError, OSError) as error:
            failed.add(name)
            yield Result(name, ok=False, detail=str(getattr(error, "orig", error)))

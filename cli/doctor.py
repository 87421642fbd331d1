"""`latchkey doctor`: is everything as it should be? One line each."""

import contextlib
import os
import smtplib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import click
from flask_mail import Connection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import create_app
from cli import surroundings
from cli.base import json_option, latchkey, tell
from cli.surroundings import Wrong
from latchkey import clock, resources, scopes, settings
from latchkey.accounts import users
from latchkey.journal import chain
from latchkey.mail import outbox, transport
from latchkey.naming import presets
from latchkey.store import migrations
from latchkey.store import session as db

STUCK = timedelta(hours=1)
SKEW = timedelta(seconds=5)


class Result(NamedTuple):
    """One line."""

    name: str
    ok: bool
    detail: str


def _configuration() -> str:
    ours = settings.load()
    settings.use(ours)
    return f"{ours.mode}, {ours.base_url}"


def _instance() -> str:
    folder = settings.current().instance
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Wrong(f"{folder} cannot be written by this user")
    surroundings.modes()
    return str(folder)


def _scopes() -> str:
    path = settings.current().instance / "scopes.toml"
    presets.load_catalogue(path.parent)
    named = ", ".join(resource.name for resource in resources.operators())
    found = f"{len(scopes.catalogue())} scopes, {'with' if path.is_file() else 'without'} scopes.toml"
    return f"{found}; in front of {named}" if named else found


def _database() -> str:
    db.configure(settings.current().database_url)
    with db.engines().read.connect() as connection:
        connection.execute(text("SELECT 1"))
    return db.engines().read.dialect.name


def _migrations() -> str:
    stands, expected = migrations.revision(), migrations.head()
    if stands != expected:
        raise Wrong(f"at {stands or 'none'} instead of {expected}; run: latchkey init")
    return f"at {stands}"


def _clock() -> str:
    sqlite = db.engines().read.dialect.name == "sqlite"
    question = "SELECT strftime('%s', 'now')" if sqlite else "SELECT extract(epoch FROM clock_timestamp())"
    with db.engines().read.connect() as connection:
        theirs = datetime.fromtimestamp(float(connection.execute(text(question)).scalar_one()), UTC)
    difference = abs(clock.now() - theirs)
    if difference > SKEW:
        raise Wrong(f"the database's clock is {difference.total_seconds():.0f} s away from ours")
    return f"{clock.now():%Y-%m-%d %H:%M:%S} UTC"


def _mail() -> str:
    ours = settings.current()
    if warning := ours.warnings.get("mail"):
        raise Wrong(warning)
    if ours.mail_server is None:
        return f"no server is configured: letters are kept in {transport.folder()}"
    with _conversation() as connection:
        code, _ = connection.host.noop() if connection.host else (0, b"")
    if code != 250:
        raise Wrong(f"{ours.mail_server} answers {code} to NOOP")
    return f"{ours.mail_server} port {ours.mail_port} answers"


@contextlib.contextmanager
def _conversation() -> Iterator[Connection]:
    with create_app(settings.current()).app_context():
        try:
            with transport.connect() as connection:
                yield connection
        except (OSError, smtplib.SMTPException) as error:
            server = settings.current()
            raise Wrong(f"{server.mail_server} port {server.mail_port}: {transport.words(error)}") from None


def _accounts() -> str:
    if doubled := users.fallen_together():
        named = ", ".join(f"{user.id} ({user.email_key})" for user in doubled)
        raise Wrong(f"their mail goes to another account's address as well: {named}; change the address or delete one")
    return "each has an address of its own"


def _letters() -> str:
    stand = outbox.standing()
    counts = f"{stand.waiting} waiting, {stand.given_up} given up in the last {outbox.KEPT.days} days"
    if stand.oldest_at is not None and clock.now() - stand.oldest_at > STUCK:
        raise Wrong(f"{counts}, the oldest since {stand.oldest_at:%Y-%m-%d %H:%M} UTC; last trouble: {stand.trouble}")
    return counts


def _activity() -> str:
    verdict = chain.check()
    if verdict.broken is not None:
        at = f" of {verdict.broken.at:%Y-%m-%d %H:%M:%S} UTC" if verdict.broken.at else ""
        named = verdict.broken.event_id or f"entry {verdict.broken.seq}"
        raise Wrong(
            f"the chain is broken: {named}{at} {verdict.broken.why}; what stands after it may have been changed"
        )
    waiting = f", {verdict.waiting:,} are not closed yet" if verdict.waiting else ""
    return f"the chain is whole: {verdict.entries:,} entries{waiting}"


CHECKS: dict[str, Callable[[], str]] = {
    "configuration": _configuration,
    "instance": _instance,
    "proxies": surroundings.proxies,
    "scopes": _scopes,
    "database": _database,
    "migrations": _migrations,
    "clock": _clock,
    "accounts": _accounts,
    "activity": _activity,
    "mail": _mail,
    "letters": _letters,
    "limits": surroundings.limits,
    "kernel": surroundings.kernel,
}
# Without the first nothing else can be looked at, without the second what lies in the database.
NEEDS = {
    "migrations": "database",
    "clock": "database",
    "accounts": "migrations",
    "activity": "migrations",
    "letters": "migrations",
}


def _examine() -> Iterator[Result]:
    failed: set[str] = set()
    for name, check in CHECKS.items():
        needed = "configuration" if "configuration" in failed else NEEDS.get(name)
        if needed in failed:
            failed.add(name)
            yield Result(name, ok=False, detail=f"cannot be told without {needed}")
            continue
        try:
            yield Result(name, ok=True, detail=check())
        except (Wrong, settings.SettingError, scopes.BadCatalogue) as error:
            failed.add(name)
            yield Result(name, ok=False, detail=str(error))
        except (DBAPIError, OSError) as error:
            failed.add(name)
            yield Result(name, ok=False, detail=str(getattr(error, "orig", error)))


@latchkey.command("doctor")
@json_option
def doctor() -> None:
    """Check this installation; exit 1 if anything fails.

    Configuration, files, database, clock, mail, limits and kernel, one line each.
    """
    results = list(_examine())
    lines = [f"{'ok' if r.ok else 'FAILED':<7} {r.name:<14} {' '.join(r.detail.split())}" for r in results]
    ok = all(result.ok for result in results)
    tell({"ok": ok, "checks": [result._asdict() for result in results]}, "\n".join(lines))
    if not ok:
        click.get_current_context().exit(1)

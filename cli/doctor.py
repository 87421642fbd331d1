"""`latchkey doctor`: is everything as it should be? One line each."""

import contextlib
import smtplib
from collections.abc import Callable, Iterator

import click
from flask_mail import Connection

from app import create_app
from cli.base import json_option, latchkey, tell
from latchkey import resources, scopes, settings
from latchkey.mail import transport
from latchkey.naming import presets
from latchkey.oversight import doctor as checks
from latchkey.oversight import surroundings
from latchkey.oversight.surroundings import Wrong
from latchkey.store import session as db
from latchkey.upstream import provider


def _configuration() -> str:
    ours = settings.load()
    settings.use(ours)
    return f"{ours.mode}, {ours.base_url}"


def _scopes() -> str:
    path = settings.current().instance / "scopes.toml"
    presets.load_catalogue(path.parent)
    named = ", ".join(resource.name for resource in resources.operators())
    found = f"{len(scopes.catalogue())} scopes, {'with' if path.is_file() else 'without'} scopes.toml"
    return f"{found}; in front of {named}" if named else found


def _database() -> str:
    db.configure(settings.current().database_url, settings.current().database_read_url)
    return checks.database()


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


def _upstream() -> str:
    if settings.current().oidc_issuer is None:
        return "nobody signs in by one"
    try:
        return provider.examined()
    except provider.Away as away:
        raise Wrong(f"{settings.current().oidc_issuer}: {away}") from None


CHECKS: dict[str, Callable[[], str]] = {
    "configuration": _configuration,
    "instance": checks.instance,
    "proxies": surroundings.proxies,
    "scopes": _scopes,
    "database": _database,
    "replica": checks.replica,
    "migrations": checks.schema,
    "clock": checks.clocks,
    "accounts": checks.accounts,
    "activity": checks.activity,
    "mail": _mail,
    "letters": checks.letters,
    "upstream": _upstream,
    "limits": surroundings.limits,
    "kernel": surroundings.kernel,
    "traces": surroundings.traces,
}
STANDS = {True: "ok", False: "FAILED", None: "-"}


@latchkey.command("doctor")
@json_option
def doctor() -> None:
    """Check this installation; exit 1 if anything fails.

    Configuration, files, database, clock, mail, upstream, limits, kernel and traces, one line each. What needs
    one that failed is not checked ("ok": null with --json).
    """
    results = list(checks.examine(CHECKS))
    lines = [f"{STANDS[r.ok]:<7} {r.name:<14} {' '.join(r.detail.split())}" for r in results]
    ok = all(result.ok for result in results)
    tell({"ok": ok, "checks": [result._asdict() for result in results]}, "\n".join(lines))
    if not ok:
        click.get_current_context().exit(1)

"""`latchkey client suspend|restore|delete`: apps that are stopped, and everybody who is told of it."""

import click

from cli.base import Refused, because, confirmed, installation, json_option, tell
from cli.clients import facts_of, find, group
from latchkey import clients
from latchkey.oversight import apps
from latchkey.safety import shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db


@group.command("suspend")
@click.argument("client_id", metavar="ID")
@click.option("--reason", help="What its owner and the people who use it are told.")
@json_option
def suspend(client_id: str, reason: str | None) -> None:
    """Stop an app: its tokens and requests are refused from the next call on. Everybody concerned gets a mail."""
    with installation():
        because(reason)
        new = conflicts.again(lambda: _suspend(client_id, reason))
        client = find(client_id)
        told = commit_parts(shutdown.tell_users(client)) if new else 0
        tell(facts_of(client) | {"told": told}, f"Suspended {client.name}; {told} of its users are told.")


def _suspend(client_id: str, reason: str | None) -> bool:
    new = apps.suspend(find(client_id), reason)
    db.commit()
    return new


@group.command("restore")
@click.argument("client_id", metavar="ID")
@json_option
def restore(client_id: str) -> None:
    """Let an app go on: what has not expired or been revoked works again. Not while its owner is suspended."""
    with installation():
        because(None)
        conflicts.again(lambda: _restore(client_id))
        client = find(client_id)
        if client.suspended_at is not None:
            raise Refused("its owner is suspended; run: latchkey user enable")
        tell(facts_of(client), f"{client.name} goes on.")


def _restore(client_id: str) -> None:
    apps.restore(find(client_id))
    db.commit()


@group.command("delete")
@click.argument("client_id", metavar="ID")
@confirmed("Delete the app with everybody's authorizations?")
@json_option
def delete(client_id: str) -> None:
    """Delete an app with all that hangs on it; everybody who uses it gets a mail."""
    with installation():
        because(None)
        name = find(client_id).name
        told = conflicts.again(lambda: _delete(client_id))
        tell({"client_id": client_id, "deleted": True, "told": told}, f"Deleted {name}; {told} of its users are told.")


def _delete(client_id: str) -> int:
    client = clients.find(client_id)
    return 0 if client is None else commit_parts(apps.delete(client))

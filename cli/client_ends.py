"""`latchkey client keys|suspend|restore|delete`: apps that get keys or are stopped, and everybody who is told of it."""

from typing import TextIO

import click

from cli.base import Refused, because, confirmed, installation, json_option, tell
from cli.clients import facts_of, find, group, locked
from latchkey import clients
from latchkey.clients import BadClient
from latchkey.clients.keys import changing, sets
from latchkey.clients.keys.changing import Wanted
from latchkey.oversight import apps
from latchkey.safety import shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db


@group.command("keys")
@click.argument("client_id", metavar="ID")
@click.option("--jwks", type=click.File(), help="A file with its public key set (RFC 7517); - is standard input.")
@click.option("--jwks-uri", help="The https address of its key set.")
@click.option("--none", "nothing", is_flag=True, help="Take its keys away; rotate its secret next.")
@json_option
def keys(*, client_id: str, jwks: TextIO | None, jwks_uri: str | None, nothing: bool) -> None:
    """Let an app prove itself by keys of its own (private_key_jwt); its secrets end at once."""
    if (jwks is not None) + (jwks_uri is not None) + nothing != 1:
        raise click.UsageError("name one of --jwks, --jwks-uri and --none")
    with installation():
        because(None)
        find(client_id)
        try:
            wanted = _wanted(jwks, jwks_uri)
            client = locked(client_id)
            apps.give_keys(client, wanted)
        except BadClient as error:
            raise Refused(str(error)) from None
        db.commit()
        found = len(wanted.keys) if wanted is not None else 0
        said = f"proves itself by {found} {'key' if found == 1 else 'keys'}" if found else "has no keys"
        tell(facts_of(client) | {"keys": found}, f"{client.name} {said}.")


def _wanted(jwks: TextIO | None, jwks_uri: str | None) -> Wanted | None:
    """What is wanted, read or asked for before anything is held. Raises `BadClient`."""
    db.rollback()
    if jwks is not None:
        return changing.pasted(jwks.read(sets.LONGEST + 1))
    return changing.at(jwks_uri, "") if jwks_uri is not None else None


@group.command("suspend")
@click.argument("client_id", metavar="ID")
@click.option("--reason", help="What its owner and the people who use it are told.")
@json_option
def suspend(client_id: str, reason: str | None) -> None:
    """Stop an app: its tokens and requests are refused from the next call on. Everybody concerned gets an e-mail."""
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
    """Delete an app with all that hangs on it; everybody who uses it gets an e-mail."""
    with installation():
        because(None)
        name = find(client_id).name
        told = conflicts.again(lambda: _delete(client_id))
        tell({"client_id": client_id, "deleted": True, "told": told}, f"Deleted {name}; {told} of its users are told.")


def _delete(client_id: str) -> int:
    client = clients.find(client_id)
    return 0 if client is None else commit_parts(apps.delete(client))

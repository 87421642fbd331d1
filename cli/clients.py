"""`latchkey client`: OAuth clients that an operator registers, trusted ones among them."""

from typing import Any, TextIO

import click

from cli.base import (
    Refused,
    because,
    confirmed,
    installation,
    json_option,
    latchkey,
    lines,
    moment,
    tell,
    user_of,
)
from latchkey import clients as apps
from latchkey import grants, notices, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.clients.keys import changing, sets
from latchkey.oversight import apps as oversight
from latchkey.store.session import db

OPTIONS = {
    "name": "--name",
    "homepage": "--homepage",
    "redirect_uris": "--redirect-uri",
    "scopes": "--scope",
    "optional_scopes": "--optional-scope",
    "trusted": "--trusted",
}

ASKED_ALWAYS = "--trusted: people are asked all the same, since anybody can pretend to be a public app"


@latchkey.group("client")
def group() -> None:
    """OAuth clients, called apps on screens."""


@group.command("create")
@click.option("--owner", required=True, metavar="EMAIL", help="Whose app it is.")
@click.option("--name", required=True, help="What people see when it asks them.")
@click.option("--homepage", default="", help="Its https address.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="May be repeated.")
@click.option("--scope", "scopes", multiple=True, required=True, help="The most it may ask for; may be repeated.")
@click.option("--optional-scope", "optional_scopes", multiple=True, help="One of them that people may untick.")
@click.option("--public", is_flag=True, help="It cannot keep a secret: an app on people's devices or in browsers.")
@click.option("--device-flow", is_flag=True, help="It may sign in devices by a code that people type (RFC 8628).")
@click.option("--trusted", is_flag=True, help="Skip the consent screen: an app of your own.")
@click.option("--jwks", type=click.File(), metavar="FILE", help="Its public keys, in place of a secret; - reads them.")
@json_option
def create(
    *,
    owner: str,
    name: str,
    homepage: str,
    redirect_uris: tuple[str, ...],
    scopes: tuple[str, ...],
    optional_scopes: tuple[str, ...],
    public: bool,
    device_flow: bool,
    trusted: bool,
    jwks: TextIO | None,
) -> None:
    """Register an app; its secret is printed once. With keys it has none."""
    with installation():
        user = user_of(owner)
        if public and jwks is not None:
            raise Refused("--jwks: a public app proves itself by nothing")
        _check(user, optional_scopes, scopes)
        try:
            client, secret = apps.register(
                user,
                name=name,
                homepage=homepage,
                redirect_uris=redirect_uris,
                scopes=scopes,
                optional_scopes=optional_scopes,
                confidential=not public,
                device_flow=device_flow,
                trusted=trusted and not public,
            )
        except apps.BadClient as error:
            raise Refused(f"{OPTIONS.get(error.field, error.field)}: {error}") from None
        if jwks is not None:
            secret = _give_keys(client, jwks)
        notices.app_registered(user, client)
        db.commit()
        _tell_secret(client, secret)
        if trusted and public:
            click.echo(f"latchkey: {ASKED_ALWAYS}", err=True)


def _check(owner: User, optional: tuple[str, ...], asked: tuple[str, ...]) -> None:
    """Raises `Refused`."""
    if not set(optional) <= set(asked):
        raise Refused("--optional-scope: people can only untick what the app asks for; name it by --scope, too")
    if not owner.verified:
        raise Refused("the owner has to verify the address first")


def _give_keys(client: Client, jwks: TextIO) -> str | None:
    """Let a new app prove itself by these; the secret that it has then: none. Raises `Refused`."""
    try:
        changing.give(client, changing.pasted(jwks.read(sets.LONGEST + 1)), by=None)
    except apps.BadClient as error:
        raise Refused(f"--jwks: {error}") from None
    return None


def _tell_secret(client: Client, secret: str | None) -> None:
    text = f"client_id      {client.id}"
    if secret:
        text += f"\nclient_secret  {secret}   (shown only once)"
    tell({"client_id": client.id, "client_secret": secret}, text)


def find(client_id: str) -> Client:
    """The app of an id. Raises `Refused`."""
    client = apps.find(client_id)
    if client is None:
        raise Refused("no app has this id")
    return client


def locked(client_id: str) -> Client:
    """The same for this command alone to change."""
    client = apps.lock(find(client_id).id)
    if client is None:
        raise Refused("no app has this id")
    return client


def facts_of(client: Client) -> dict[str, Any]:
    """What is known of an app, never its secret."""
    return {
        "client_id": client.client_id,
        "name": client.name,
        "owner": client.owner.email if client.owner is not None else None,
        "homepage": client.homepage,
        "redirect_uris": client.redirect_uris,
        "scopes": scopes.serialize(client.scopes).split(),
        "optional_scopes": scopes.serialize(client.optional).split(),
        "confidential": client.confidential,
        "keyed": client.keyed,
        "pkce_required": client.pkce_required,
        "device_flow": client.device_flow,
        "trusted": client.trusted,
        "suspended_at": moment(client.suspended_at),
        "suspended_for": sorted(apps.causes(client)),
        "suspension_reason": client.suspension_reason,
        "created_at": moment(client.created_at),
        "updated_at": moment(client.updated_at),
    }


@group.command("list")
@click.option("--owner", metavar="EMAIL", help="Only this user's.")
@json_option
def list_clients(owner: str | None) -> None:
    """Apps, the eldest first."""
    with installation():
        found = [facts_of(client) for client in apps.owned(user_of(owner) if owner else None)]
        text = "\n".join(
            f"{f['client_id']}  {f['owner'] or '(nobody)'}  {f['name']}{'  (suspended)' if f['suspended_at'] else ''}"
            for f in found
        )
        tell({"data": found}, text or "No apps.")


@group.command("show")
@click.argument("client_id", metavar="ID")
@json_option
def show(client_id: str) -> None:
    """What is known of an app, never its secret."""
    with installation():
        client = find(client_id)
        facts = facts_of(client) | {"authorized_by": grants.count_for(client)}
        tell(facts, lines(facts))


@group.command("trust")
@click.argument("client_id", metavar="ID")
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def trust(client_id: str, state: str) -> None:
    """Let an app of your own skip the consent screen, or have people asked again."""
    with installation():
        because(None)
        client = locked(client_id)
        try:
            oversight.trust(client, on=state == "on")
        except apps.BadClient as error:
            raise Refused(str(error)) from None
        db.commit()
        tell(facts_of(client), f"{client.name} is {'trusted' if client.trusted else 'not trusted'}.")


@group.command("rotate")
@click.argument("client_id", metavar="ID")
@confirmed("Give the app another secret? The present one works for 24 hours more.")
@json_option
def rotate(client_id: str) -> None:
    """Give an app another secret, printed once; the one before works for 24 hours more."""
    with installation():
        because(None)
        client = locked(client_id)
        try:
            secret = oversight.rotate(client)
        except apps.BadClient as error:
            raise Refused(str(error)) from None
        db.commit()
        _tell_secret(client, secret)


@group.command("resource-server")
@click.argument("client_id", metavar="ID")
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def resource_server(*, client_id: str, state: str) -> None:
    """Let an app introspect everybody's tokens without limit, or no longer."""
    with installation():
        because(None)
        client = locked(client_id)
        try:
            oversight.mark(client, on=state == "on")
        except apps.BadClient as error:
            raise Refused(str(error)) from None
        db.commit()
        said = "is a resource server now" if client.resource_server else "is no resource server any more"
        tell({"id": client.id, "resource_server": client.resource_server}, f"{client.name} {said}")

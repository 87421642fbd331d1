"""`latchkey client`: OAuth clients that an operator registers, trusted ones among them."""

import click

from cli.base import Refused, installation, json_option, latchkey, tell, user_of
from latchkey import clients as apps
from latchkey import notices
from latchkey.db import db

OPTIONS = {
    "name": "--name",
    "homepage": "--homepage",
    "redirect_uris": "--redirect-uri",
    "scopes": "--scope",
    "trusted": "--trusted",
}


@latchkey.group("client")
def group() -> None:
    """OAuth clients, called apps on screens."""


@group.command("create")
@click.option("--owner", required=True, metavar="EMAIL", help="Whose app it is.")
@click.option("--name", required=True, help="What people see when it asks them.")
@click.option("--homepage", default="", help="Its https address.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="May be repeated.")
@click.option("--scope", "scopes", multiple=True, required=True, help="The most it may ask for; may be repeated.")
@click.option("--public", is_flag=True, help="It cannot keep a secret: an app on people's devices or in browsers.")
@click.option("--trusted", is_flag=True, help="Skip the consent screen: an app of your own.")
@json_option
def create(
    *,
    owner: str,
    name: str,
    homepage: str,
    redirect_uris: tuple[str, ...],
    scopes: tuple[str, ...],
    public: bool,
    trusted: bool,
) -> None:
    """Register an app; its secret is printed once."""
    with installation():
        user = user_of(owner)
        if not user.verified:
            raise Refused("the owner has to verify the address first")
        try:
            client, secret = apps.register(
                user,
                name=name,
                homepage=homepage,
                redirect_uris=redirect_uris,
                scopes=scopes,
                confidential=not public,
                trusted=trusted,
            )
        except apps.BadClient as error:
            raise Refused(f"{OPTIONS.get(error.field, error.field)}: {error}") from None
        notices.app_registered(user, client)
        db.commit()
        lines = [f"client_id      {client.id}"]
        if secret:
            lines.append(f"client_secret  {secret}   (shown only once)")
        tell({"client_id": client.id, "client_secret": secret}, "\n".join(lines))


@group.command("resource-server")
@click.argument("client_id", metavar="ID")
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def resource_server(*, client_id: str, state: str) -> None:
    """Let an app introspect everybody's tokens without limit, or no longer."""
    with installation():
        client = apps.find(client_id)
        if client is None:
            raise Refused("no app has this id")
        try:
            apps.mark_resource_server(client, on=state == "on")
        except apps.BadClient as error:
            raise Refused(str(error)) from None
        db.commit()
        said = "is a resource server now" if client.resource_server else "is no resource server any more"
        tell({"id": client.id, "resource_server": client.resource_server}, f"{client.name} {said}")

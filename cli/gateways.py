"""`latchkey gateway`: the configuration of a gateway in front of APIs of one's own."""

from collections.abc import Collection

import click

from cli.base import Refused, json_option, latchkey, tell
from latchkey import gateways, resources, settings
from latchkey.naming import presets
from latchkey.resources import Resource


@latchkey.command("gateway")
@click.argument("name", type=click.Choice([gateway.id for gateway in gateways.GATEWAYS]))
@click.option("--resource", help="Only this API of instance/resources.toml.")
@json_option
def write(name: str, resource: str | None) -> None:
    """Print a gateway's configuration.

    The gateway asks this installation about every call.
    """
    ours = settings.load()
    settings.use(ours)
    presets.load_catalogue(ours.instance)
    [gateway] = [gateway for gateway in gateways.GATEWAYS if gateway.id == name]
    text = gateways.text(gateway, ours.base_url, tuple(_behind(resource)), kept=ours.check_cache_seconds)
    tell({"gateway": gateway.id, "file": gateway.file, "text": text}, text.removesuffix("\n"))


def _behind(name: str | None) -> Collection[Resource]:
    if name is None:
        return resources.operators()
    chosen = [resource for resource in resources.operators() if resource.name == name]
    if not chosen:
        raise Refused("instance/resources.toml names no such API")
    if not gateways.writable(chosen[0]):
        raise Refused("the address of this API has characters that mean something else in such a file")
    return chosen

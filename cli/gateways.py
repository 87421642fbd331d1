"""`latchkey gateway`: the configuration of a gateway in front of an API of one's own."""

import click

from cli.base import json_option, latchkey, tell
from latchkey import gateways, settings


@latchkey.command("gateway")
@click.argument("name", type=click.Choice([gateway.id for gateway in gateways.GATEWAYS]))
@json_option
def write(name: str) -> None:
    """Print a gateway's configuration.

    The gateway asks this installation about every call.
    """
    [gateway] = [gateway for gateway in gateways.GATEWAYS if gateway.id == name]
    text = gateways.text(gateway, settings.load().base_url)
    tell({"gateway": gateway.id, "file": gateway.file, "text": text}, text.removesuffix("\n"))

"""The guide for guarding one's own API, with the configuration of gateways for this installation."""

from flask import Response, abort, render_template

from latchkey import gateways, resources, settings
from portal.blueprint import blueprint


def _text(gateway: gateways.Gateway) -> str:
    ours = settings.current()
    return gateways.text(gateway, ours.base_url, resources.operators(), kept=ours.check_cache_seconds)


@blueprint.get("/docs/gateways")
def guide_gateways() -> str:
    """How a gateway asks for each call; readable signed out."""
    files = [(gateway, _text(gateway).splitlines()) for gateway in gateways.GATEWAYS]
    return render_template(
        "portal/gateways/index.html",
        files=files,
        hosts=gateways.hosts_of(resources.operators()),
        left_out=[resource for resource in resources.operators() if not gateways.writable(resource)],
    )


@blueprint.get("/docs/gateways/<file>")
def show_gateway_file(file: str) -> Response:
    """One of the files, to be fetched by a script."""
    gateway = gateways.find(file)
    if gateway is None:
        abort(404)
    return Response(_text(gateway), content_type="text/plain; charset=utf-8")

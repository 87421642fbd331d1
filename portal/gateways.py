"""The guide for guarding one's own API, with the configuration of gateways as it stands in docs/gateways."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from flask import Response, abort, current_app, render_template

from portal.blueprint import blueprint


class Gateway(NamedTuple):
    """One gateway: its name, its file in docs/gateways, and what is particular about it."""

    id: str
    name: str
    file: str
    about: str


GATEWAYS = (
    Gateway(
        "nginx",
        "nginx",
        "nginx.conf",
        "auth_request is in every nginx of Debian, Ubuntu and the official image. The challenge of a 403 needs the "
        "error page at the end: by itself nginx passes on only that of a 401.",
    ),
    Gateway(
        "traefik",
        "Traefik",
        "traefik.yml",
        "forwardAuth passes every refusal on as it is. Its list of headers by pattern also removes what the caller "
        "sent under these names.",
    ),
    Gateway(
        "caddy",
        "Caddy",
        "Caddyfile",
        "forward_auth passes every refusal on as it is. The order matters: first the caller’s headers go, then "
        "Latchkey’s come.",
    ),
    Gateway(
        "envoy",
        "Envoy",
        "envoy.yaml",
        "ext_authz asks with the method of the call and puts its path behind the prefix. There is one filter a scope, "
        "and a route turns off those that it does not need.",
    ),
)


@cache
def _text(folder: Path, file: str) -> str:
    return (folder / file).read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(current_app.root_path) / "docs" / "gateways"


@blueprint.get("/docs/gateways")
def guide_gateways() -> str:
    """How a gateway asks for each call; readable signed out."""
    files = [(gateway, _text(_folder(), gateway.file).splitlines()) for gateway in GATEWAYS]
    return render_template("portal/gateways/index.html", files=files)


@blueprint.get("/docs/gateways/<file>")
def show_gateway_file(file: str) -> Response:
    """One of the files, to be fetched by a script."""
    if file not in {gateway.file for gateway in GATEWAYS}:
        abort(404)
    return Response(_text(_folder(), file), content_type="text/plain; charset=utf-8")
